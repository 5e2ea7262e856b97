import { describe, expect, test } from 'vitest'
import { allowedAnywhere, arrows } from '@entresol/eslint-config/arrows'
import { closure, entryPoints, portableEntryPoints } from '../src/packed.ts'
import { boundaryProblems, cycle, manifestProblems } from '../src/manifests.ts'
import type { Manifest } from '../src/manifests.ts'

const manifest = (changes: Partial<Manifest>): Manifest => ({ name: '@entresol/x', version: '1.0.0', license: 'MIT', description: 'X.', exports: { '.': './x.js', './internal/*': null }, ...changes })
const all = [{ name: '@entresol/x', tag: 'organ' }, { name: '@entresol/kit', tag: 'kit' }, { name: '@entresol/y', tag: 'organ' }, { name: '@entresol/suite', tag: 'testkit' }, { name: '@entresol/b', tag: 'board' }]
const problems = (changes: Partial<Manifest>): string[] => manifestProblems({ name: '@entresol/x', tag: 'organ', manifest: manifest(changes) }, all)

describe('a package.json', () => {
  test('along the arrows has no problem', () => {
    expect(problems({ dependencies: { '@entresol/kit': '0.0.0' }, devDependencies: { '@entresol/suite': '0.0.0' } })).toEqual([])
  })

  test('of an organ may name another organ for its tests', () => {
    expect(problems({ devDependencies: { '@entresol/y': '0.0.0' } })).toEqual([])
  })

  test.each([
    ['an organ that depends on an organ', { dependencies: { '@entresol/y': '0.0.0' } }],
    ['an organ whose tests depend on a board', { devDependencies: { '@entresol/b': '0.0.0' } }],
    ['a test suite as a dependency of users', { dependencies: { '@entresol/suite': '0.0.0' } }],
    ['a version range', { dependencies: { 'left': '^1.0.0' } }],
    ['open internals', { exports: { '.': './x.js' } }],
    ['another licence', { license: 'GPL-2.0' }]
  ])('is refused for %s', (_, changes) => {
    expect(problems(changes)).toHaveLength(1)
  })
})

test('a cycle is found through development dependencies too', () => {
  const a = manifest({ name: 'a', dependencies: { b: '1.0.0' } })
  const b = manifest({ name: 'b', devDependencies: { c: '1.0.0' } })
  expect(cycle([a, b, manifest({ name: 'c' })])).toBeUndefined()
  expect(cycle([a, b, manifest({ name: 'c', dependencies: { a: '1.0.0' } })])).toEqual(['a', 'b', 'c', 'a'])
})

describe("turbo.json's boundaries", () => {
  const tags = Object.fromEntries(Object.keys(arrows).map(tag => [tag, { dependencies: { allow: allowedAnywhere(tag).reverse() } }]))

  test('that say what the table of arrows says have no problem', () => {
    expect(boundaryProblems(tags)).toEqual([])
  })

  test.each([
    ['a tag that is missing', { organ: undefined }],
    ['a tag the table lacks', { engine: { dependencies: { allow: [] } } }],
    ['a tag that allows more', { spec: { dependencies: { allow: ['kit'] } } }],
    ['a tag that allows less', { organ: { dependencies: { allow: ['contract'] } } }]
  ])('are refused for %s', (_, changes) => {
    expect(boundaryProblems({ ...tags, ...changes } as typeof tags)).toHaveLength(1)
  })
})

test('every entry point but closed, pattern and data ones is imported from the tarball', () => {
  expect(entryPoints(manifest({ exports: { '.': {}, './uart': {}, './internal/*': null, './data/*': './data/*', './package.json': './package.json' } }))).toEqual(['@entresol/x', '@entresol/x/uart'])
})

test('what comes out of a folder called node is not for browsers', () => {
  const exports = { '.': { default: './dist/index.js' }, './node': { default: './dist/node/index.js' }, './x': { default: './dist/x/node/x.js' } }
  expect(portableEntryPoints(manifest({ exports }))).toEqual(['@entresol/x'])
})

test('a package is installed with everything of ours behind it and nothing else', () => {
  const packages = [['a', ['b', 'other']], ['b', ['c']], ['c', []], ['d', []]].map(([name, dependencies]) => ({ name: name as string, folder: '', tag: 'kit', runtime: undefined, manifest: { name, dependencies: Object.fromEntries((dependencies as string[]).map(key => [key, '1.0.0'])) } }))
  expect([...closure('a', packages)]).toEqual(['a', 'b', 'c'])
})

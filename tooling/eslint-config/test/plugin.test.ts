import { fileURLToPath } from 'node:url'
import { Linter } from 'eslint'
import { join } from 'node:path'
import tseslint from 'typescript-eslint'
import { describe, expect, test } from 'vitest'
import { arrows, refusal, testArrows } from '../src/arrows.mjs'
import plugin from '../src/plugin.mjs'

const root = fileURLToPath(new URL('../../../', import.meta.url))

function messages(file: string, code: string): string[] {
  const linter = new Linter({ cwd: root })
  const config = [{ files: ['**/*.ts'], languageOptions: { parser: tseslint.parser as Linter.Parser }, plugins: { entresol: plugin }, rules: { 'entresol/arrows': 'error', 'entresol/portable': 'error' } }] as unknown as Linter.Config[]
  return linter.verify(code, config, { filename: join(root, file) }).map(message => message.message)
}

describe('imports between packages', () => {
  test.each([
    ['packages/io/src/a.ts', "import type { Bus } from '@entresol/interfaces'"],
    ['packages/io/src/a.ts', "import { CodedError } from '@entresol/kit'"],
    ['packages/machine/src/a.ts', "export * from '@entresol/cpu'"],
    ['packages/io/test/a.test.ts', "import { suite } from '@entresol/compliance'"],
    ['packages/cpu/test/a.test.ts', "import { createPageWalker } from '@entresol/mmu'"],
    ['packages/cpu/bench/a.ts', "import { createPageWalker } from '@entresol/mmu'"],
    ['packages/io/test/a.test.ts', "import { Pic } from '../src/pic/pic.ts'"],
    ['apps/kvm/src/a.ts', "import { Machine } from '@entresol/machine'"]
  ])('%s may: %s', (file, code) => {
    expect(messages(file, code)).toEqual([])
  })

  test.each([
    ['an organ imports an organ', 'packages/io/src/a.ts', "import { Mmu } from '@entresol/mmu'"],
    ['an organ imports a type of an organ', 'packages/io/src/a.ts', "import type { Mmu } from '@entresol/mmu'"],
    ['an organ imports an organ lazily', 'packages/io/src/a.ts', "export const mmu = import('@entresol/mmu')"],
    ['an organ names a type of an organ in place', 'packages/io/src/a.ts', "export let mmu: import('@entresol/mmu').Mmu"],
    ['an organ re-exports an organ', 'packages/io/src/a.ts', "export { Mmu } from '@entresol/mmu'"],
    ['a subpath of an organ', 'packages/io/src/a.ts', "import { Mmu } from '@entresol/mmu/walker'"],
    ['an organ imports the board', 'packages/cpu/src/a.ts', "import { Machine } from '@entresol/machine'"],
    ['the contracts import anything', 'packages/interfaces/src/a.ts', "import { CodedError } from '@entresol/kit'"],
    ['tests of an organ import the board', 'packages/cpu/test/a.ts', "import { Machine } from '@entresol/machine'"],
    ['tests of the contracts import an organ', 'packages/interfaces/test/a.ts', "import { Mmu } from '@entresol/mmu'"],
    ['source imports the test suites', 'packages/io/src/a.ts', "import { suite } from '@entresol/compliance'"],
    ['the suites import what they judge', 'packages/compliance/test/a.test.ts', "import { Pic } from '@entresol/io'"],
    ['a path into another package', 'packages/io/src/a.ts', "import { walk } from '../../mmu/src/walk.ts'"]
  ])('refused: %s', (_, file, code) => {
    expect(messages(file, code)).toHaveLength(1)
  })
})

test('the source of a package has no Node module, its tests, its folders called node and the apps may', () => {
  const code = "import { readFileSync } from 'node:fs'"
  expect(messages('packages/io/src/a.ts', code)).toHaveLength(1)
  expect(messages('apps/kvm/src/a.ts', code)).toEqual([])
  expect(messages('packages/network/src/node/a.ts', code)).toEqual([])
  expect(messages('packages/io/test/a.test.ts', code)).toEqual([])
})

test('a package without a known tag may import nothing', () => {
  expect(refusal(undefined, 'kit', false)).toContain('entresol.tag')
  expect(refusal('organ', 'orgn', false)).toContain('entresol.tag')
})

test('every tag of the table is one of its own', () => {
  expect([...Object.values(arrows).flat(), ...Object.keys(testArrows), ...Object.values(testArrows).flat()].filter(tag => !(tag in arrows))).toEqual([])
})

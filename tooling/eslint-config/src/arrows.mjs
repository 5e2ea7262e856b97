// Who may import whom, by the `entresol.tag` of each package.json. This table is the only place that says it: eslint reads it for
// every import statement, `npm run check` for every package.json and for turbo.json's boundaries.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** @type {Readonly<Record<string, readonly string[]>>} */
export const arrows = {
  contract: [],
  spec: [],
  kit: ['contract', 'spec', 'kit'],
  organ: ['contract', 'spec', 'kit'],
  board: ['contract', 'spec', 'kit', 'organ'],
  testkit: ['contract', 'spec', 'kit'],
  app: ['contract', 'spec', 'kit', 'organ', 'board', 'testkit'],
  example: ['contract', 'spec', 'kit', 'organ', 'board', 'testkit'],
  tooling: ['contract', 'spec', 'kit', 'organ', 'board', 'testkit', 'app', 'tooling']
}

/**
 * What the tests, benches and fuzzers of a package (`test/`, `bench/`, `fuzz/`) may import besides, as development dependencies: suites and fakes, and for
 * an organ the real neighbour, so that a CPU is tested on a real page walker. Cycles stay forbidden, development dependencies included.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const testArrows = {
  organ: ['testkit', 'organ'],
  board: ['testkit']
}

/**
 * Tags a package with tag `tag` may have as any kind of dependency. turbo.json's boundaries do not tell source from tests, so this is their list.
 * @param {string} tag
 * @returns {string[]}
 */
export const allowedAnywhere = tag => [...new Set([...arrows[tag] ?? [], ...testArrows[tag] ?? []])]

/** @typedef {{ name: string, folder: string, manifest: any, tag: string | undefined, runtime: string | undefined }} Workspace */

/**
 * All workspaces of the repository.
 * @param {string} root
 * @returns {Workspace[]}
 */
export function workspaces(root) {
  const groups = ['packages', 'apps', 'tooling', 'examples'].map(group => join(root, group)).filter(folder => existsSync(folder))
  return groups.flatMap(group => readdirSync(group).map(name => join(group, name))).filter(folder => existsSync(join(folder, 'package.json'))).map(folder => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return { name: manifest.name, folder, manifest, tag: manifest.entresol?.tag, runtime: manifest.entresol?.runtime }
  })
}

/**
 * Folder of the package a file belongs to.
 * @param {string} file
 * @returns {string | undefined}
 */
export function packageFolder(file) {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return undefined
  }
}

/**
 * Why a package with tag `from` may not import one with tag `to`, or undefined.
 * @param {string | undefined} from
 * @param {string | undefined} to
 * @param {boolean} inTest
 * @returns {string | undefined}
 */
export function refusal(from, to, inTest) {
  const allowed = arrows[from ?? '']
  if (allowed === undefined) return `package.json names no known entresol.tag (${from ?? 'none'})`
  if (to === undefined || arrows[to] === undefined) return `the imported package names no known entresol.tag (${to ?? 'none'})`
  const list = inTest ? allowedAnywhere(from) : allowed
  if (list.includes(to)) return undefined
  return `${from} may not import ${to}${list.length > 0 ? `, only ${list.join(', ')}` : ', nor any other package'}`
}

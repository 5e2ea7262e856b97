// Plain JavaScript for any Node from 18 on: these files run before anything is installed.
import { readFileSync } from 'node:fs'
import { delimiter, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))
/** Everything fetched or written at run time; git ignores it. */
export const cache = join(root, '.cache')

export const readJson = file => JSON.parse(readFileSync(file, 'utf8'))

const manifest = readJson(join(root, 'package.json'))
/** The runtime and the package manager this repository pins. */
export const pinnedNode = manifest.devDependencies.node
export const pinnedNpm = manifest.packageManager.split('@')[1]

/** PATH with `first` in front and without the node_modules/.bin entries npm adds, so that `npm` finds the Node it belongs to. */
export function environment(first) {
  const entries = (process.env.PATH ?? '').split(delimiter).filter(entry => !entry.endsWith(join('node_modules', '.bin')) && entry !== '')
  // npm hands its own settings to scripts; a nested npm must read the project's again.
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_(?!config_(cache|registry|cafile|.*proxy|userconfig|globalconfig))/i.test(name))
  return { ...Object.fromEntries(inherited), PATH: [...(first === undefined ? [] : [first]), ...entries].join(delimiter) }
}

export const windows = sep === '\\'

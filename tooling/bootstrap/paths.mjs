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
  // What npm tells the scripts it runs about itself and the package is wrong for an npm started from here.
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local_prefix|command|execpath|node_execpath)/i.test(name))
  return { ...Object.fromEntries(inherited), PATH: [...(first === undefined ? [] : [first]), ...entries].join(delimiter) }
}

export const windows = sep === '\\'

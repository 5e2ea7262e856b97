// Writes the program, dist/cli.js, in a few files from what TypeScript made of this app and the packages: loading some 650 modules one by one takes
// longer than all else before the guest's first instruction. The interpreter goes along as the WebAssembly it always is, built here and not at each
// start. Skips when nothing was compiled since.
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const app = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(app, 'dist')
const packages = join(app, '..', '..', 'packages')
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const compiled = [app, ...readdirSync(packages).map((name) => join(packages, name))].map((folder) => modified(join(folder, 'dist', '.tsbuildinfo')))
if (modified(join(dist, 'cli.js')) > Math.max(modified(fileURLToPath(import.meta.url)), ...compiled)) process.exit()

const ofPackage = (path) => join(packages, path)
const interpreterModule = ofPackage('cpu/dist/interpreter/module.js')

const { buildInterpreter } = await import(interpreterModule)
const { HOST_NAMES, TABLE } = await import(ofPackage('cpu/dist/interpreter/instance.js'))
const { HELPER_GLOBALS, HELPER_TYPES } = await import(ofPackage('cpu/dist/helpers.js'))
const fileOf = (shared) => (shared ? 'interpreter-shared.wasm' : 'interpreter.wasm')
for (const shared of [false, true]) {
  const memory = { initialPages: 1, maximumPages: 65536, shared }
  writeFileSync(join(dist, fileOf(shared)), buildInterpreter(TABLE, HOST_NAMES, HELPER_TYPES, HELPER_GLOBALS, memory))
}
const prebuilt = `
import { readFileSync } from 'node:fs'
export const buildInterpreter = (table, hosts, types, globals, { shared }) =>
  readFileSync(new URL(shared ? './${fileOf(true)}' : './${fileOf(false)}', import.meta.url))
`

for (const name of readdirSync(dist)) if (name.startsWith('chunk-')) rmSync(join(dist, name))
await build({
  entryPoints: {
    cli: join(dist, 'main.js'),
    // Beside the program, where its threads look for them.
    'vcpu-thread-entry': ofPackage('machine/dist/threads/vcpu-thread-entry.js'),
    'translation-thread-entry': ofPackage('machine/dist/threads/translation-thread-entry.js'),
  },
  outdir: dist, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node22', logLevel: 'warning',
  entryNames: '[name]',
  // For CommonJS modules inside.
  banner: { js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);" },
  plugins: [{
    name: 'prebuilt-interpreter',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]cpu[\\/]dist[\\/]interpreter[\\/]module\.js$/ }, () => ({ contents: prebuilt }))
    },
  }],
})

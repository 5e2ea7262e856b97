// Compiles assembly/ to WebAssembly and writes it, base64, to src/generated/module.ts. Skips when that is newer than its sources.
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, 'src/generated/module.ts')
const sources = readdirSync(join(root, 'assembly')).map((name) => join(root, 'assembly', name))
const newest = Math.max(...[fileURLToPath(import.meta.url), ...sources].map((name) => statSync(name).mtimeMs))
const existing = statSync(output, { throwIfNoEntry: false })
if (!existing || existing.mtimeMs <= newest) {
  let binary
  const { error, stderr } = await asc.main(
    ['assembly/index.ts', '--baseDir', root, '-O3', '--noAssert', '--converge', '--runtime', 'stub', '--noExportMemory', '--use', 'abort=', '-o', 'softfloat.wasm'],
    { writeFile: (name, contents) => { if (name === 'softfloat.wasm') binary = contents } }
  )
  const messages = stderr.toString()
  if (error || !binary) {
    console.error(messages || String(error))
    process.exit(1)
  }
  if (/WARNING/.test(messages)) console.error(messages)
  mkdirSync(dirname(output), { recursive: true })
  const base64 = Buffer.from(binary).toString('base64')
  writeFileSync(output, `// Written by scripts/generate.mjs from assembly/.\nexport const base64: string = '${base64}'\n`)
}

/** For vitest's globalSetup: importing this file is all it takes. */
export function setup() {}

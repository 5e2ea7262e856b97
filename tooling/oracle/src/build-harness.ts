import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CodedError } from '@entresol/kit'

const run = promisify(execFile)
const cache = new URL('../.cache/', import.meta.url)

/**
 * Compiles the C files of a folder into the git-ignored .cache (once per source text) and returns the path of the program.
 * @throws CodedError ERR_ORACLE_HOST (not Linux on x86-64), ERR_ORACLE_COMPILER (no gcc, or it failed).
 */
export async function buildProgram(name: 'harness' | 'kvm'): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new CodedError('ERR_ORACLE_HOST', 'the oracle needs Linux on an x86-64 CPU')
  const folder = new URL(`../${name}/`, import.meta.url)
  const names = (await readdir(folder)).filter((file) => /\.[ch]$/.test(file)).sort()
  const hash = createHash('sha256')
  for (const file of names) hash.update(file).update(await readFile(new URL(file, folder)))
  const program = fileURLToPath(new URL(`${name}-${hash.digest('hex').slice(0, 16)}`, cache))
  if (await access(program).then(() => true, () => false)) return program
  await mkdir(cache, { recursive: true })
  const partial = `${program}.${process.pid}`
  const sources = names.filter((file) => file.endsWith('.c')).map((file) => fileURLToPath(new URL(file, folder)))
  try {
    await run('gcc', ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-fPIE', '-pie', '-o', partial, ...sources])
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const message = missing ? 'gcc is not installed; the oracle needs it to build its harness (Debian: package gcc with libc6-dev)' : `gcc failed: ${String(error)}`
    throw new CodedError('ERR_ORACLE_COMPILER', message, { cause: error })
  }
  await rename(partial, program)
  return program
}

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CodedError } from '@entresol/kit'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Called with each line the program prints on standard error, and on standard output too with `mergeOutput`. */
  readonly onLine?: (line: string) => void
  readonly mergeOutput?: boolean
}

/** Runs a program and returns its standard output. Throws `tool-missing` or `tool-failed` with its last words. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'], ...(options.cwd ? { cwd: options.cwd } : {}),
    env: { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive', ...options.env }
  })
  const words: string[] = []
  const output: Buffer[] = []
  const take = (line: string): void => {
    words.push(line)
    options.onLine?.(line)
  }
  createInterface(child.stderr).on('line', take)
  if (options.mergeOutput) createInterface(child.stdout).on('line', take)
  else child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  const code = await new Promise<number | null>((done, fail) => {
    child.on('error', (cause: NodeJS.ErrnoException) => {
      fail(cause.code === 'ENOENT'
        ? new CodedError('tool-missing', `${program} is not installed`, { cause })
        : new CodedError('tool-failed', `${program}: ${cause.message}`, { cause }))
    })
    child.on('close', done)
  })
  if (code !== 0) {
    const verb = args.find(arg => /^[a-z-]+$/.test(arg) && arg.length > 2) ?? ''
    const last = words.find(line => /^E:|error|unable|cannot|not found/i.test(line)) ?? words.at(-1) ?? 'no message'
    throw new CodedError('tool-failed', `${program} ${verb} failed (${code}): ${last.trim()}`)
  }
  return Buffer.concat(output).toString()
}

/** A line for the person waiting, on standard error. */
export function progress(text: string): void {
  process.stderr.write(`guests: ${text}\n`)
}

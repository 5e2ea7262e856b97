import { spawn } from 'node:child_process'
import { root } from './paths.mjs'

const HEARTBEAT_MS = 10_000

/** One line on standard error: standard output belongs to the guest or to the tests. */
export function say(line) {
  process.stderr.write(`[entresol] ${line}\n`)
}

/** A step that failed: its message is all a user needs, no stack. */
export class StepFailed extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

const seconds = since => ((Date.now() - since) / 1000).toFixed(1)

/**
 * Runs one visible step: names it, shows its output on standard error (through `rewrite` when given: a line, or undefined to hide
 * it), gives a sign of life every ten seconds, and throws StepFailed when it does not end with 0.
 */
export async function step(title, file, args, { env = process.env, cwd = root, rewrite, shell = false } = {}) {
  say(`${title} …`)
  const start = Date.now()
  const child = spawn(file, args, { cwd, env, shell, stdio: ['ignore', rewrite ? 'pipe' : 2, 2] })
  const heartbeat = setInterval(() => say(`${title}: ${Math.round((Date.now() - start) / 1000)} s so far`), HEARTBEAT_MS)
  try {
    if (rewrite) for await (const line of lines(child.stdout)) {
      const shown = rewrite(line)
      if (shown !== undefined) process.stderr.write(shown + '\n')
    }
    const code = await ended(child, file)
    if (code !== 0) throw new StepFailed(`${title} failed (exit code ${code}).`, code)
  } finally {
    clearInterval(heartbeat)
  }
  say(`${title}: done in ${seconds(start)} s`)
}

/** Exit code of a child; 128 + signal number's shell convention is left to the caller, a signal counts as 1. */
export function ended(child, file) {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new StepFailed(`Cannot run ${file}: ${error.message}`, 127)))
    child.once('close', (code, signal) => resolve(signal === null ? code : 1))
  })
}

async function * lines(stream) {
  let rest = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()
    yield * parts
  }
  if (rest !== '') yield rest
}

/** Runs a program's main function; a StepFailed becomes one line and its exit code. */
export function main(body) {
  body().then(code => { process.exitCode = code }, error => {
    if (!(error instanceof StepFailed)) throw error
    say(error.message)
    process.exitCode = error.exitCode
  })
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { PromptWatcher } from '@entresol/bootstrap/prompt-pump'
import { framed, readFrame } from './markers.ts'
import type { Command, Sample } from './peer.ts'

const INTERRUPT = '\x03'
/** How long a guest may take to stop a command that is over its limit. */
const INTERRUPT_SECONDS = 20

/** A booted guest at its shell, on a machine of its own. */
export class Session {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #watcher = new PromptWatcher()
  readonly #ended: Promise<void>
  #errors = ''
  #seen = ''
  #heard: () => void = () => {}
  /** False once a command could not be interrupted or the machine ended: nothing more can be run. */
  answers = true

  private constructor({ file, args }: Command) {
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#seen = (this.#seen + text).slice(-100_000)
      this.#watcher.push(text)
      this.#heard()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => { this.#errors = (this.#errors + text).slice(-2000) })
    this.#child.stdin.on('error', () => {})
    // A stopped machine would outlive a bench that is interrupted.
    const kill = (): void => { this.#child.kill('SIGKILL') }
    process.once('exit', kill)
    this.#child.once('close', () => process.off('exit', kill))
    this.#ended = new Promise(resolve => {
      this.#child.once('error', error => {
        this.#errors = error.message
        resolve()
      })
      this.#child.once('close', () => resolve())
    })
  }

  /** Starts a machine and waits for its guest's prompt; the time that took is the sample. The caller closes the session in any case. */
  static async boot(command: Command, limit: number): Promise<{ readonly session: Session, readonly sample: Sample }> {
    const start = performance.now()
    const session = new Session(command)
    const reached = await session.#within(limit, session.#watcher.prompt())
    const sample = reached === 'done' ? { value: (performance.now() - start) / 1000 } : session.#missed(reached, limit)
    session.answers = reached === 'done'
    return { session, sample }
  }

  /**
   * Runs a shell command and measures, on the host's clock, the time between its two markers on the serial port. What prepares it and
   * the command may each take `limit` seconds; then they are interrupted, so that the next one can run.
   */
  async run(command: string, limit: number, prepare?: string): Promise<Sample> {
    this.#seen = ''
    this.#watcher.clear()
    let begun: number | undefined
    const started = Promise.withResolvers<void>()
    const finished = Promise.withResolvers<Sample>()
    this.#heard = () => {
      const now = performance.now()
      const frame = readFrame(this.#seen)
      if (frame.begun) begun ??= now
      if (frame.begun || frame.status !== undefined) started.resolve()
      if (frame.status === undefined) return
      if (begun === undefined) finished.resolve({ failed: `preparation: exit status ${frame.status}` })
      else if (frame.status !== 0) finished.resolve({ failed: `exit status ${frame.status}: ${frame.output!.split('\n').at(-1)!}` })
      else finished.resolve({ value: (now - begun) / 1000, output: frame.output! })
    }
    this.#child.stdin.write(`${framed(command, prepare)}\n`)
    const prepared = await this.#within(limit, started.promise)
    const reached = prepared === 'done' ? await this.#within(limit, finished.promise) : prepared
    this.#heard = () => {}
    if (reached === 'limit') {
      this.#watcher.clear()
      this.#child.stdin.write(INTERRUPT)
    }
    this.answers = await this.#within(INTERRUPT_SECONDS, this.#watcher.prompt()) === 'done'
    if (prepared === 'limit') return { failed: `not prepared within ${limit} s` }
    return reached === 'done' ? finished.promise : this.#missed(reached, limit)
  }

  /** Stops the machine where it is, or lets it go on: one that only waits still costs the others host time. */
  pause(paused: boolean): void {
    this.#child.kill(paused ? 'SIGSTOP' : 'SIGCONT')
  }

  /** Ends the machine; with `grace` (seconds) it may power off by itself first. */
  async close(grace: number = 0): Promise<void> {
    if (grace > 0) {
      this.pause(false)
      this.#child.stdin.write('exit\n')
      await this.#within(grace, this.#ended)
    }
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #missed(how: 'limit' | 'ended', limit: number): Sample {
    return how === 'limit' ? { over: limit } : { failed: `the machine ended: ${this.#errors.trim().split('\n').at(-1) ?? ''}` }
  }

  async #within(seconds: number, what: Promise<unknown>): Promise<'done' | 'limit' | 'ended'> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'limit'>(resolve => { timer = setTimeout(() => resolve('limit'), seconds * 1000) })
    try {
      return await Promise.race([what.then(() => 'done' as const), this.#ended.then(() => 'ended' as const), late])
    } finally {
      clearTimeout(timer)
    }
  }
}

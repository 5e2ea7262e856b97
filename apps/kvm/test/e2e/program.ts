import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The program as a user starts it, with pipes where the terminal would be. */
export class Program {
  readonly ended: Promise<Ended>
  readonly #child
  #stdout = ''
  #stderr = ''
  /** Where `waitFor` looks from: behind what it found last. */
  #seen = 0
  #running = true
  #changed: () => void = () => {}

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [CLI, ...args])
    this.#child.stdout.on('data', (data: Buffer) => {
      this.#stdout += data.toString()
      this.#changed()
    })
    this.#child.stderr.on('data', (data: Buffer) => void (this.#stderr += data.toString()))
    this.#child.stdin.on('error', () => {})
    // Whatever a failed test left running.
    onTestFinished(() => void this.#child.kill('SIGKILL'))
    this.ended = new Promise((resolve) => this.#child.on('close', (code) => {
      this.#running = false
      this.#changed()
      resolve({ code, stdout: this.#stdout, stderr: this.#stderr })
    }))
  }

  /** What the guest printed up to and including `text`, from where the last call ended. Rejects when the program ends first. */
  async waitFor(text: string | RegExp): Promise<string> {
    for (;;) {
      const rest = this.#stdout.slice(this.#seen)
      const match = typeof text === 'string' ? (rest.includes(text) ? { index: rest.indexOf(text), 0: text } : undefined) : text.exec(rest)
      if (match) {
        const end = match.index + match[0].length
        this.#seen += end
        return rest.slice(0, end)
      }
      if (!this.#running) throw new Error(`ended before it printed ${String(text)}; last: ${rest.slice(-300)} ${this.#stderr}`)
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
  }

  type(text: string): void {
    this.#child.stdin.write(text)
  }

  /** SIGTERM: the machine is switched off. */
  async terminate(): Promise<Ended> {
    this.#child.kill('SIGTERM')
    return this.ended
  }
}

/** Runs the program to its end. */
export const run = (args: readonly string[]): Promise<Ended> => new Program(args).ended

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { guestFiles } from '../guests.ts'

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
/** A machine that shares its cores with other tests boots slowly; this only bounds a hang. */
export const BOOT_TIMEOUT = 420_000
export const ANSWER_TIMEOUT = 60_000

/** A guest that is a kernel, an initrd and a command line. */
export interface KernelGuest {
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
}

/** The guest's files, or undefined, said aloud, where they cannot be had (no apt, no network). */
export async function fetched(name: string, ...options: string[]): Promise<KernelGuest | undefined> {
  return (await guestFiles(...options, name))?.[name] as KernelGuest | undefined
}

/** Escape sequences (ECMA-48), and the carriage returns of a terminal line. */
const plain = (text: string): string => text.replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-Z]|\x1b[78=>]|\r/g, '')

/** The busybox prompt of our initramfs, at the end of the output: programs that used the whole screen leave it in any column. */
const PROMPT = /(?:~|\/\S*) # $/

/**
 * Lines of `dmesg -r` at KERN_WARNING and more urgent. That an interrupt or a quirk took long says that the host was busy, not what the machine is.
 */
export const complaints = (log: string): string[] =>
  log.split('\n').filter((line) => /^<[0-4]>/.test(line) && !/hrtimer: interrupt took|took \d+ usecs/.test(line))

/** entresol-kvm as a process, its serial console on pipes. */
export class RunningGuest {
  /** Exit code of the process, once it has ended. */
  readonly exit: Promise<number | null>
  /** All that the guest printed and no `waitFor` has returned, once the process has ended. */
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  #output = ''
  /** Where the next `waitFor` starts to look. */
  #seen = 0
  #errors = ''
  #ended = false
  #changed: () => void = () => {}

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, [CLI, '-nographic', ...args], { stdio: 'pipe' })
    const decoder = new TextDecoder()
    this.#process.stdout!.on('data', (bytes: Buffer) => {
      this.#output += decoder.decode(bytes, { stream: true })
      this.#changed()
    })
    this.#process.stderr!.on('data', (bytes: Buffer) => void (this.#errors += bytes.toString()))
    this.exit = new Promise((resolve) => this.#process.once('close', (code) => {
      this.#ended = true
      resolve(code)
      this.#changed()
    }))
    this.ended = this.exit.then(() => this.#rest)
  }

  type(keys: string): void {
    this.#process.stdin!.write(keys)
  }

  /** All output up to now that no `waitFor` has returned, without escape sequences. */
  get #rest(): string {
    return plain(this.#output.slice(this.#seen))
  }

  /** Resolves with the output since the last call once it matches. */
  waitFor(pattern: RegExp, timeout: number = ANSWER_TIMEOUT): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void): void => {
        clearTimeout(timer)
        this.#changed = () => {}
        action()
      }
      const failed = (why: string): void => settle(() => {
        reject(new Error(`${why} while waiting for ${String(pattern)}; standard error: ${this.#errors || 'empty'}; last output:\n${this.#rest.slice(-1000)}`))
      })
      const look = (): void => {
        const text = this.#rest
        if (pattern.test(text)) {
          settle(() => {
            this.#seen = this.#output.length
            resolve(text)
          })
        } else if (this.#ended) failed('the process ended')
      }
      const timer = setTimeout(() => failed(`${timeout} ms passed`), timeout)
      this.#changed = look
      look()
    })
  }

  prompt(timeout?: number): Promise<string> {
    return this.waitFor(PROMPT, timeout)
  }

  /** Waits for the shell. What the guest printed until then. */
  async booted(): Promise<string> {
    const log = await this.prompt(BOOT_TIMEOUT)
    // The shell's line editor would break long lines.
    await this.run('stty cols 500')
    return log
  }

  /** Runs a command at the prompt; what it printed, without the echo of the command and the next prompt. */
  async run(command: string, timeout?: number): Promise<string> {
    this.type(`${command}\n`)
    const lines = (await this.prompt(timeout)).split('\n')
    return lines.slice(1, -1).join('\n')
  }

  /** Types a control key until the prompt comes: the shell may not yet have given the terminal to its job. */
  async untilPrompt(key: string): Promise<string> {
    this.type(key)
    const again = setInterval(() => this.type(key), 2000)
    try {
      return await this.prompt()
    } finally {
      clearInterval(again)
    }
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}

/** Starts a guest from its kernel. */
export function start(files: KernelGuest, ...options: readonly string[]): RunningGuest {
  return new RunningGuest(['-kernel', files.kernel, '-initrd', files.initrd, '-append', files.commandLine, ...options])
}

import type { Arguments } from './arguments.ts'
import type { Host } from './command.ts'

const WIDTH = 30
/** Work that is done sooner needs no bar, in milliseconds. */
const PATIENCE = 1000
const PAUSE = 100

/**
 * How far long work has come. With -p it goes to standard output in qemu-img's form, wherever that leads; without it and without -q a bar is
 * drawn on a terminal, once the work has taken a second.
 */
export class Progress {
  readonly #host: Host
  readonly #asked: boolean
  readonly #shown: boolean
  readonly #started: number
  #total: number
  #done = 0
  #drawn = 0
  #percent = ''

  constructor(host: Host, given: Arguments, total: number) {
    this.#host = host
    this.#asked = given.has('-p') && !given.has('-q')
    this.#shown = this.#asked || (host.terminal && !given.has('-q'))
    this.#total = total
    this.#started = host.now()
    if (this.#asked) this.#print()
  }

  /** More work has turned up. */
  extend(amount: number): void {
    this.#total += amount
  }

  add(amount: number): void {
    this.#done += amount
    if (!this.#shown) return
    const now = this.#host.now()
    if (now - this.#drawn < PAUSE || (!this.#asked && now - this.#started < PATIENCE)) return
    this.#drawn = now
    this.#print()
  }

  /** Ends the line. `complete`: all of it was done. */
  end(complete: boolean): void {
    if (this.#asked) {
      if (complete) this.#done = this.#total
      this.#print()
      this.#host.out('\n')
    } else if (this.#drawn > 0) this.#host.err(`\r${' '.repeat(WIDTH + 12)}\r`)
  }

  #print(): void {
    const share = this.#total > 0 ? Math.min(1, this.#done / this.#total) : 1
    const percent = (share * 100).toFixed(2)
    if (this.#asked && percent !== this.#percent) this.#host.out(`    (${percent}/100%)\r`)
    else if (!this.#asked) this.#host.err(`\r[${'#'.repeat(Math.floor(share * WIDTH)).padEnd(WIDTH, '.')}] ${percent.padStart(6)} %`)
    this.#percent = percent
  }
}

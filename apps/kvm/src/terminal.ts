const CTRL_A = 0x01
const CTRL_C = 0x03

export interface TerminalActions {
  /** Bytes for whoever has the terminal. */
  input(bytes: Uint8Array): void
  quit(): void
  /** Ctrl-A C. */
  toggleMonitor(): void
  help(): void
  sendBreak(): void
}

/**
 * The terminal of -nographic and mon:stdio: raw, so that the guest sees every key; Ctrl-A starts a command as in QEMU (X ends, C switches to the
 * monitor, H helps, B sends a break, Ctrl-A sends itself). Input that is no terminal is passed on as it is.
 */
export class Terminal {
  readonly #actions: TerminalActions
  readonly #escapes: boolean
  #escaped = false
  readonly #raw: boolean
  readonly #onData = (bytes: Buffer): void => this.#input(bytes)

  /** `signals`: Ctrl-C is for the host, as with -serial stdio. */
  constructor(actions: TerminalActions, options: { escapes: boolean; signals: boolean }) {
    this.#actions = actions
    this.#escapes = options.escapes && process.stdin.isTTY === true
    this.#raw = process.stdin.isTTY === true
    if (this.#raw) process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onData)
    process.stdin.resume()
    if (options.signals && this.#raw) {
      const { input } = actions
      this.#actions = { ...actions, input: (bytes) => (bytes.includes(CTRL_C) ? actions.quit() : input(bytes)) }
    }
  }

  #input(bytes: Uint8Array): void {
    if (!this.#escapes) {
      this.#actions.input(bytes)
      return
    }
    let start = 0
    const pass = (end: number): void => {
      if (end > start) this.#actions.input(bytes.subarray(start, end))
    }
    for (let i = 0; i < bytes.length; i++) {
      if (!this.#escaped) {
        if (bytes[i] !== CTRL_A) continue
        pass(i)
        start = i + 1
        this.#escaped = true
        continue
      }
      this.#escaped = false
      start = i + 1
      this.#command(bytes[i]!)
    }
    if (!this.#escaped) pass(bytes.length)
  }

  #command(key: number): void {
    switch (String.fromCharCode(key).toLowerCase()) {
      case 'x': return this.#actions.quit()
      case 'c': return this.#actions.toggleMonitor()
      case 'h': case '?': return this.#actions.help()
      case 'b': return this.#actions.sendBreak()
      case '\x01': return this.#actions.input(Uint8Array.of(CTRL_A))
    }
  }

  /** Gives the terminal back as it was. */
  close(): void {
    process.stdin.off('data', this.#onData)
    if (this.#raw) process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}

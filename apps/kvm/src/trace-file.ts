import { closeSync, openSync, writeSync } from 'node:fs'
import { fileError } from './files.ts'

const CHUNK = 1 << 16

/** Where -d writes: standard error, or the file of -D. Lines are gathered, since a trace of instructions has millions of them. */
export class TraceFile {
  readonly #file: number
  #text = ''

  constructor(path: string | undefined) {
    try {
      this.#file = path === undefined ? 2 : openSync(path, 'w')
    } catch (error) {
      throw fileError('-D', path!, error)
    }
  }

  readonly write = (line: string): void => {
    this.#text += `${line}\n`
    if (this.#text.length >= CHUNK || this.#file === 2) this.flush()
  }

  flush(): void {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    for (let done = 0; done < bytes.length;) {
      try {
        done += writeSync(this.#file, bytes, done)
      } catch (error) {
        // A terminal or pipe that does not block takes the rest later; any other end of a log does not end the guest.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      }
    }
  }

  close(): void {
    this.flush()
    if (this.#file !== 2) closeSync(this.#file)
  }
}

import { constants, read, write } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** Offsets, lengths and addresses of direct transfers are multiples of this: sectors of all disks there are, and a page. */
const UNIT = 4096
/** Bytes of one transfer, and transfers at a time. */
const SLOT = 1 << 20
const SLOTS = 4
const WASM_PAGE = 65536

/**
 * Transfers around the host's page cache (open(2), O_DIRECT). They need memory that begins at a page, which of all Node can give only
 * WebAssembly's does: data is copied through it. The file is open twice then; the kernel keeps both ways to it consistent.
 */
export class DirectFile {
  readonly #file: FileHandle
  readonly #free: Uint8Array[]
  readonly #waiting: (() => void)[] = []

  private constructor(file: FileHandle) {
    this.#file = file
    const { buffer } = new WebAssembly.Memory({ initial: SLOT * SLOTS / WASM_PAGE, maximum: SLOT * SLOTS / WASM_PAGE })
    this.#free = Array.from({ length: SLOTS }, (_, index) => new Uint8Array(buffer, index * SLOT, SLOT))
  }

  /** Undefined where the host or the file system of the file cannot. */
  static async open(path: string, readOnly: boolean): Promise<DirectFile | undefined> {
    if (constants.O_DIRECT === undefined) return undefined
    const file = await open(path, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_DIRECT).catch(() => undefined)
    return file && new DirectFile(file)
  }

  /** Whether a transfer can go this way. */
  takes(offset: number, length: number): boolean {
    return offset % UNIT === 0 && length % UNIT === 0 && length > 0
  }

  /** Reads up to the end of the file; resolves to how many bytes. */
  async read(offset: number, into: Uint8Array): Promise<number> {
    for (let done = 0; done < into.length;) {
      const length = Math.min(SLOT, into.length - done)
      const count = await this.#withSlot(async (slot) => {
        const got = await transfer(read, this.#file.fd, slot, length, offset + done)
        into.set(slot.subarray(0, got), done)
        return got
      })
      done += count
      if (count < length) return done
    }
    return into.length
  }

  /** Writes as much as the host takes in whole units; resolves to how many bytes. */
  async write(offset: number, from: Uint8Array): Promise<number> {
    for (let done = 0; done < from.length;) {
      const part = from.subarray(done, done + SLOT)
      const count = await this.#withSlot((slot) => {
        slot.set(part)
        return transfer(write, this.#file.fd, slot, part.length, offset + done)
      })
      done += count
      if (count < part.length) return done
    }
    return from.length
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #withSlot<Result>(work: (slot: Uint8Array) => Promise<Result>): Promise<Result> {
    while (this.#free.length === 0) await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    const slot = this.#free.pop()!
    try {
      return await work(slot)
    } finally {
      this.#free.push(slot)
      this.#waiting.shift()?.()
    }
  }
}

function transfer(call: typeof read | typeof write, descriptor: number, slot: Uint8Array, length: number, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const positional = call as typeof read
    positional(descriptor, slot, 0, length, offset, (error, count) => {
      if (error) reject(error)
      else resolve(count)
    })
  })
}

import type { BlockBackend, BlockExtent } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

const SECTOR = 512
const CHUNK = 65536

/** A disk in memory that takes space only where something other than zeroes was written, 64 KiB at a time. */
export class ChunkedDisk implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  readonly #chunks = new Map<number, Uint8Array>()
  #open = true

  /** `size` in bytes, a multiple of 512. Throws `bad-size`. */
  constructor(size: number, readOnly = false) {
    if (!Number.isSafeInteger(size) || size <= 0 || size % SECTOR !== 0) throw new CodedError('bad-size', `a disk of ${size} bytes`)
    this.size = size
    this.readOnly = readOnly
  }

  /** Bytes of memory taken. */
  get taken(): number {
    return this.#chunks.size * CHUNK
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length, false)
    this.#each(offset, into.length, (chunk, from, to, at) => {
      const bytes = this.#chunks.get(chunk)
      if (bytes) into.set(bytes.subarray(from, to), at)
      else into.fill(0, at, at + to - from)
    })
    return Promise.resolve()
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    this.#each(offset, from.length, (chunk, start, end, at) => {
      let bytes = this.#chunks.get(chunk)
      if (!bytes) this.#chunks.set(chunk, bytes = new Uint8Array(CHUNK))
      bytes.set(from.subarray(at, at + end - start), start)
    })
    return Promise.resolve()
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#check(offset, length, true)
    this.#each(offset, length, (chunk, from, to) => {
      if (unmap && to - from === CHUNK) this.#chunks.delete(chunk)
      else this.#chunks.get(chunk)?.fill(0, from, to)
    })
    return Promise.resolve()
  }

  async flush(): Promise<void> {
    this.#check(0, 0, false)
    return Promise.resolve()
  }

  discard(offset: number, length: number): Promise<void> {
    return this.writeZeroes(offset, length, true)
  }

  async status(offset: number, length: number): Promise<BlockExtent> {
    this.#check(offset, length, false)
    const isThere = (chunk: number): boolean => this.#chunks.has(chunk)
    const first = Math.floor(offset / CHUNK)
    let end = first + 1
    while (end * CHUNK < offset + length && isThere(end) === isThere(first)) end++
    return Promise.resolve({ length: Math.min(length, end * CHUNK - offset), allocated: isThere(first), zero: !isThere(first) })
  }

  async close(): Promise<void> {
    this.#open = false
    this.#chunks.clear()
    return Promise.resolve()
  }

  #check(offset: number, length: number, toWrite: boolean): void {
    if (!this.#open) throw new CodedError('closed', 'the disk was closed')
    if (toWrite && this.readOnly) throw new CodedError('read-only', 'the disk is read-only')
    const fits = Number.isSafeInteger(offset) && offset >= 0 && offset % SECTOR === 0 && length >= 0 && length % SECTOR === 0 && offset + length <= this.size
    if (!fits) throw new CodedError('bad-range', `${length} bytes at ${offset} of ${this.size}`)
  }

  /** Calls back for each chunk that [offset, offset + length) touches: its number, the bytes of it from and to, and where they are in the whole. */
  #each(offset: number, length: number, visit: (chunk: number, from: number, to: number, at: number) => void): void {
    for (let at = 0; at < length;) {
      const chunk = Math.floor((offset + at) / CHUNK)
      const from = offset + at - chunk * CHUNK
      const to = Math.min(CHUNK, from + length - at)
      visit(chunk, from, to, at)
      at += to - from
    }
  }
}

import type { ByteStore } from '@entresol/interfaces'
import { checkAccess, checkBytes, isZero } from '../support/range.ts'

const PAGE = 65536

/** A file in memory, with holes: 64 KiB pages that were never written or are punched take no space. */
export class MemoryStore implements ByteStore {
  readonly readOnly: boolean
  closed = false
  #size = 0
  readonly #pages = new Map<number, Uint8Array>()

  /** `content` is copied. */
  constructor(content: Uint8Array = new Uint8Array(0), readOnly = false) {
    this.readOnly = readOnly
    this.#put(0, content)
    this.#size = content.length
  }

  get size(): number {
    return this.#size
  }

  /** Bytes of memory its pages take. */
  get allocated(): number {
    return this.#pages.size * PAGE
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkAccess(this, false)
    checkBytes(offset, into.length)
    for (const [page, within, at, length] of pieces(offset, into.length)) {
      const bytes = this.#pages.get(page)
      if (bytes) into.set(bytes.subarray(within, within + length), at)
      else into.fill(0, at, at + length)
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    checkAccess(this, true)
    checkBytes(offset, from.length)
    this.#put(offset, from)
    if (from.length > 0) this.#size = Math.max(this.#size, offset + from.length)
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
  }

  async truncate(size: number): Promise<void> {
    checkAccess(this, true)
    checkBytes(0, size)
    if (size < this.#size) this.#clear(size, this.#size - size)
    this.#size = size
  }

  async punchHole(offset: number, length: number): Promise<void> {
    checkAccess(this, true)
    checkBytes(offset, length)
    this.#clear(offset, Math.max(0, Math.min(length, this.#size - offset)))
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    checkAccess(this, false)
    checkBytes(offset, 0)
    if (offset >= this.#size) return { length: 0, hole: true }
    let page = Math.floor(offset / PAGE)
    const hole = !this.#pages.has(page)
    while (page * PAGE < this.#size && !this.#pages.has(page) === hole) page++
    return { length: Math.min(page * PAGE, this.#size) - offset, hole }
  }

  async close(): Promise<void> {
    this.closed = true
  }

  #put(offset: number, from: Uint8Array): void {
    for (const [page, within, at, length] of pieces(offset, from.length)) {
      const part = from.subarray(at, at + length)
      let bytes = this.#pages.get(page)
      if (bytes === undefined) {
        if (isZero(part)) continue
        this.#pages.set(page, bytes = new Uint8Array(PAGE))
      }
      bytes.set(part, within)
    }
  }

  #clear(offset: number, length: number): void {
    const end = offset + length
    for (const page of this.#pages.size * PAGE < length ? [...this.#pages.keys()] : range(offset, end)) {
      const start = page * PAGE
      if (start + PAGE <= offset || start >= end) continue
      if (start >= offset && start + PAGE <= end) this.#pages.delete(page)
      else this.#pages.get(page)?.fill(0, Math.max(0, offset - start), Math.min(PAGE, end - start))
    }
  }
}

function* range(offset: number, end: number): Generator<number> {
  for (let page = Math.floor(offset / PAGE); page * PAGE < end; page++) yield page
}

/** The pages a range lies in: page, offset within the page, offset within the range, length. */
function* pieces(offset: number, length: number): Generator<[page: number, within: number, at: number, length: number]> {
  for (let at = 0; at < length;) {
    const page = Math.floor((offset + at) / PAGE)
    const within = offset + at - page * PAGE
    const part = Math.min(PAGE - within, length - at)
    yield [page, within, at, part]
    at += part
  }
}

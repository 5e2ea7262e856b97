import type { ByteStore } from '@entresol/interfaces'

const PAGE = 65536

/** A file that may be written without being changed: what is written stays in memory, in pages, and is gone at the end. */
export class ScratchStore implements ByteStore {
  readonly readOnly = false
  readonly #base: ByteStore
  readonly #pages = new Map<number, Promise<Uint8Array>>()
  #size: number

  constructor(base: ByteStore) {
    this.#base = base
    this.#size = base.size
  }

  get size(): number {
    return this.#size
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const first = Math.floor(offset / PAGE)
    const end = Math.ceil((offset + into.length) / PAGE)
    const own = [...this.#pages.keys()].filter((page) => page >= first && page < end)
    await this.#base.read(offset, into)
    for (const page of own) {
      const bytes = await this.#pages.get(page)!
      const from = Math.max(offset, page * PAGE)
      const to = Math.min(offset + into.length, (page + 1) * PAGE)
      into.set(bytes.subarray(from - page * PAGE, to - page * PAGE), from - offset)
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    for (let done = 0; done < from.length;) {
      const page = Math.floor((offset + done) / PAGE)
      const within = offset + done - page * PAGE
      const part = from.subarray(done, done + PAGE - within)
      const bytes = await this.#own(page)
      bytes.set(part, within)
      done += part.length
    }
    this.#size = Math.max(this.#size, offset + from.length)
  }

  async flush(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    if (size < this.#size) await this.punchHole(size, this.#size - size)
    this.#size = size
  }

  async punchHole(offset: number, length: number): Promise<void> {
    const zeroes = new Uint8Array(PAGE)
    for (let done = 0; done < length; done += PAGE) await this.write(offset + done, zeroes.subarray(0, Math.min(PAGE, length - done)))
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    return { length: Math.max(0, this.#size - offset), hole: false }
  }

  close(): Promise<void> {
    this.#pages.clear()
    return this.#base.close()
  }

  #own(page: number): Promise<Uint8Array> {
    const known = this.#pages.get(page)
    if (known) return known
    const made = (async () => {
      const bytes = new Uint8Array(PAGE)
      await this.#base.read(page * PAGE, bytes)
      return bytes
    })()
    this.#pages.set(page, made)
    return made
  }
}

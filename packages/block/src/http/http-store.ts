import type { ByteStore } from '@entresol/interfaces'
import { checkAccess, checkBytes } from '../support/range.ts'
import { HttpFile } from './http-file.ts'
import type { HttpFileOptions } from './http-file.ts'

export interface HttpStoreOptions extends HttpFileOptions {
  /** Bytes kept of what was read. Default 32 MiB. */
  readonly cacheBytes?: number
  /** Bytes fetched ahead of one who reads in order, at most. Default 1 MiB; 0 for none. */
  readonly readAheadBytes?: number
}

const PAGE = 65536
/** Bytes of one request, and of one step of a long read. */
const LONGEST_FETCH = 4 << 20

/** A file on a web server, read in ranges as they are needed. Cannot be written: put an overlay on it. */
export class HttpStore implements ByteStore {
  readonly size: number
  readonly readOnly = true
  closed = false
  readonly #file: HttpFile
  readonly #mostPages: number
  readonly #mostAhead: number
  /** Pages by number, those used last at the end; a promise while the page is on its way. */
  readonly #pages = new Map<number, Promise<Uint8Array>>()
  /** Where one who reads in order would go on, and how many pages they are ahead. */
  #next = 0
  #ahead = 0

  private constructor(file: HttpFile, options: HttpStoreOptions) {
    this.size = file.size
    this.#file = file
    this.#mostPages = Math.max(1, Math.floor((options.cacheBytes ?? 32 << 20) / PAGE))
    this.#mostAhead = Math.floor((options.readAheadBytes ?? 1 << 20) / PAGE)
  }

  /** Codes `file-error` (not there), `no-ranges`, `io-error`. */
  static async open(url: string, options: HttpStoreOptions = {}): Promise<HttpStore> {
    return new HttpStore(await HttpFile.open(url, options), options)
  }

  /** Codes `changed` when the file is not the one that was opened, `io-error`. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    checkAccess(this, false)
    checkBytes(offset, into.length)
    const inside = Math.max(0, Math.min(into.length, this.size - offset))
    into.fill(0, inside)
    for (let done = 0; done < inside; done += LONGEST_FETCH) await this.#step(offset + done, into.subarray(done, Math.min(inside, done + LONGEST_FETCH)))
  }

  async write(): Promise<void> {
    checkAccess(this, true)
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
  }

  async truncate(): Promise<void> {
    checkAccess(this, true)
  }

  async punchHole(): Promise<void> {
    checkAccess(this, true)
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    checkAccess(this, false)
    checkBytes(offset, 0)
    return { length: Math.max(0, this.size - offset), hole: false }
  }

  async close(): Promise<void> {
    this.closed = true
    this.#pages.clear()
    this.#file.close()
  }

  async #step(offset: number, into: Uint8Array): Promise<void> {
    const first = Math.floor(offset / PAGE)
    const end = Math.ceil((offset + into.length) / PAGE)
    const pages = this.#want(first, end)
    this.#readAhead(first, end)
    for (let page = first; page < end; page++) {
      const bytes = await pages[page - first]!
      const from = Math.max(offset, page * PAGE)
      const to = Math.min(offset + into.length, (page + 1) * PAGE)
      into.set(bytes.subarray(from - page * PAGE, to - page * PAGE), from - offset)
    }
  }

  #readAhead(first: number, end: number): void {
    const inOrder = first === this.#next || first === this.#next - 1
    this.#next = end
    this.#ahead = inOrder ? Math.min(this.#mostAhead, Math.max(1, this.#ahead * 2), this.#mostPages >> 1) : 0
    const last = Math.min(end + this.#ahead, Math.ceil(this.size / PAGE))
    // Half of what is ahead is fetched before more is asked for, so that requests stay long.
    if (last > end && !this.#pages.has(end + (this.#ahead >> 1))) void this.#want(end, last)
  }

  /** The pages [first, end): what is not there or on its way is asked for, neighbours in one request. */
  #want(first: number, end: number): Promise<Uint8Array>[] {
    const wanted: Promise<Uint8Array>[] = []
    for (let page = first; page < end;) {
      const known = this.#pages.get(page)
      if (known) {
        this.#pages.delete(page)
        this.#pages.set(page, known)
        wanted.push(known)
        page++
        continue
      }
      let to = page + 1
      while (to < end && !this.#pages.has(to) && (to - page) * PAGE < LONGEST_FETCH) to++
      const from = page
      const fetched = this.#file.fetch(from * PAGE, Math.min(this.size, to * PAGE) - from * PAGE)
      for (; page < to; page++) {
        const start = (page - from) * PAGE
        const bytes = fetched.then((all) => all.slice(start, start + PAGE))
        this.#pages.set(page, bytes)
        this.#dropFailed(page, bytes)
        wanted.push(bytes)
      }
    }
    for (const page of this.#pages.keys()) {
      if (this.#pages.size <= this.#mostPages) break
      this.#pages.delete(page)
    }
    return wanted
  }

  #dropFailed(page: number, bytes: Promise<Uint8Array>): void {
    bytes.catch(() => {
      if (this.#pages.get(page) === bytes) this.#pages.delete(page)
    })
  }
}

import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

/** A piece of an image's tables in memory. After changing `bytes`, call `touch`. */
export interface Page {
  /** In the file, bytes. */
  readonly offset: number
  readonly bytes: Uint8Array
  readonly view: DataView
}

/** What a commit writes: a copy, so that the tables may change meanwhile. */
export interface PageImage {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** Brings changed pages into the file; all they refer to is durable by then. Plain for most formats, through the log for VHDX. */
export type PageWriter = (pages: readonly PageImage[]) => Promise<void>

/** Clean pages kept, and changed pages after which a commit is due: 8 MiB of 4 KiB pages. */
const CAPACITY = 2048

/**
 * The tables of an image, page by page, changed in memory and written at a commit: first everything else written so far becomes durable,
 * then the pages are written. A crash between two commits leaves the tables of the first one, whose data is all there.
 * The pages asked for never overlap each other. Commits do not overlap in time: the caller sees to that.
 */
export class PageCache {
  readonly #store: ByteStore
  readonly #write: PageWriter
  readonly #pages = new Map<number, Page | Promise<Page>>()
  readonly #dirty = new Set<Page>()
  /** Pages of the commit under way: in the file they are not yet what they are here. */
  #written: ReadonlySet<Page> = new Set()

  constructor(store: ByteStore, write: PageWriter = (pages) => writePages(store, pages)) {
    this.#store = store
    this.#write = write
  }

  /** So much is changed that a commit should come before more. */
  get crowded(): boolean {
    return this.#dirty.size >= CAPACITY
  }

  /** The page at `offset`: at once where it is in memory. What lies behind the end of the file is zeroes. Code `bad-image`. */
  get(offset: number, length: number): Page | Promise<Page> {
    const known = this.#pages.get(offset)
    if (known !== undefined) {
      this.#pages.delete(offset)
      this.#pages.set(offset, known)
      return known instanceof Promise ? known.then((page) => checkLength(page, length)) : checkLength(known, length)
    }
    if (this.#pages.size >= CAPACITY) this.#evict()
    const loading = this.#load(offset, length)
    this.#pages.set(offset, loading)
    return loading
  }

  touch(page: Page): void {
    this.#dirty.add(page)
    // It may have been dropped since it was asked for.
    this.#pages.set(page.offset, page)
  }

  /** Everything written before, tables and data, is durable once this resolves. Pages it could not write stay changed. */
  async commit(): Promise<void> {
    if (this.#dirty.size === 0) return this.#store.flush()
    const pages = [...this.#dirty].map(({ offset, bytes }) => ({ offset, bytes: bytes.slice() }))
    this.#written = new Set(this.#dirty)
    this.#dirty.clear()
    try {
      await this.#store.flush()
      await this.#write(pages)
      await this.#store.flush()
    } catch (error) {
      for (const page of this.#written) this.#dirty.add(page)
      throw error
    } finally {
      this.#written = new Set()
    }
  }

  async #load(offset: number, length: number): Promise<Page> {
    try {
      const bytes = new Uint8Array(length)
      await this.#store.read(offset, bytes)
      const page = { offset, bytes, view: new DataView(bytes.buffer) }
      this.#pages.set(offset, page)
      return page
    } catch (error) {
      this.#pages.delete(offset)
      throw error
    }
  }

  /** Drops a quarter of the pages, the longest unused, except changed ones. */
  #evict(): void {
    let left = CAPACITY / 4
    for (const [offset, page] of this.#pages) {
      if (page instanceof Promise || this.#dirty.has(page) || this.#written.has(page)) continue
      this.#pages.delete(offset)
      if (--left === 0) break
    }
  }
}

/** Of damaged images, different tables begin at the same place. */
function checkLength(page: Page, length: number): Page {
  if (page.bytes.length !== length) throw new CodedError('bad-image', `two tables begin at ${page.offset} in the file`)
  return page
}

/** Writes pages in their order, neighbours together. */
export async function writePages(store: ByteStore, pages: readonly PageImage[]): Promise<void> {
  for (let from = 0; from < pages.length;) {
    let to = from + 1
    while (to < pages.length && pages[to]!.offset === pages[to - 1]!.offset + pages[to - 1]!.bytes.length) to++
    const run = pages.slice(from, to)
    const bytes = run.length === 1 ? run[0]!.bytes : new Uint8Array(run.reduce((sum, page) => sum + page.bytes.length, 0))
    if (run.length > 1) for (const page of run) bytes.set(page.bytes, page.offset - run[0]!.offset)
    await store.write(run[0]!.offset, bytes)
    from = to
  }
}

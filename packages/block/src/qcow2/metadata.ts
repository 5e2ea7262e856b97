import type { ByteStore } from '@entresol/interfaces'
import type { Core } from './core.ts'
import type { Mapping } from './mapping.ts'
import type { Refcounts } from './refcounts.ts'

/**
 * The order of writes. After a power cut at any moment, with the writes since the last flush of the file in any order and any of them missing, the image
 * opens, everything flushed is there, and the worst that a check finds is leaked clusters:
 *
 * 1. Data goes to clusters that no table in the file names, or to clusters nobody else uses. Tables change in memory only, and only after the data
 *    they will name is written. A new L2 table is written as zeroes, or as a copy, before the L1 table in memory names it.
 * 2. A sync writes refcounts (and after a flush, the refcount table, where it names new blocks), then flushes the file: data, new tables and
 *    counts are certain. Only then it writes L2 tables and the L1 table, in any order, since each of their sectors is true by itself; and flushes.
 * 3. Only then counts of clusters no longer used go down; so no cluster is used again while a table in the file still names it.
 *
 * Between 2's beginning and its end no table changes (`gate`): it might name a cluster whose count is not certain. Counts may change, they only go up.
 * Header fields change in one sector, with flushes before and after. With lazy refcounts the counts of step 2 are left out: the dirty bit says so.
 */
export class Metadata {
  readonly #core: Core
  readonly #data: ByteStore
  readonly #refcounts: Refcounts
  readonly #mapping: Mapping
  readonly #beforeFreeing: () => Promise<void>
  #gate: Promise<void> | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #releasing: Promise<void> = Promise.resolve()
  #marking: Promise<void> | undefined

  /** `data`: where the disk's data lies, if not in the image file. `beforeFreeing`: before clusters can be used for something else. */
  constructor(core: Core, data: ByteStore, refcounts: Refcounts, mapping: Mapping, beforeFreeing: () => Promise<void>) {
    this.#core = core
    this.#data = data
    this.#refcounts = refcounts
    this.#mapping = mapping
    this.#beforeFreeing = beforeFreeing
  }

  /** To be waited for, until it is undefined, before tables change. */
  get gate(): Promise<void> | undefined {
    return this.#gate
  }

  /** Before anything is allocated: makes room for changes, and marks the image dirty where counts are written late. */
  async prepare(): Promise<void> {
    this.#core.checkWritable()
    if (this.#mapping.cache.crowded || this.#refcounts.cache.crowded) await this.sync()
    if (this.#core.header.lazyRefcounts && !this.#core.header.dirty) {
      this.#marking ??= this.#core.changeHeader({ dirty: true }).finally(() => {
        this.#marking = undefined
      })
      await this.#marking
    }
  }

  /** Everything that was complete before the call is in the file once this resolves. */
  sync(): Promise<void> {
    if (!this.#running) return this.#start()
    this.#next ??= this.#running.then(() => undefined, () => undefined).then(() => {
      this.#next = undefined
      return this.#start()
    })
    return this.#next
  }

  /** As sync; nothing is left in memory, no clusters are waiting to be freed, counts are exact. For who has locked the whole disk. */
  async settle(): Promise<void> {
    do {
      await this.sync()
      await this.#releasing
    } while (this.#core.given.length > 0)
    if (!this.#refcounts.isDirty) return
    await this.#refcounts.writeBack()
    await this.#core.store.flush()
  }

  #start(): Promise<void> {
    this.#running = this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(): Promise<void> {
    const { store } = this.#core
    if (this.#data !== store) await this.#data.flush()
    const { given } = this.#core
    if (!this.#mapping.isDirty && !this.#refcounts.isDirty && given.length === 0) return store.flush()
    this.#core.given = []
    let open = (): void => undefined
    this.#gate = new Promise((resolve) => {
      open = resolve
    })
    try {
      if (!this.#core.header.lazyRefcounts || this.#refcounts.cache.crowded) await this.#refcounts.writeBack()
      await store.flush()
      if (this.#mapping.isDirty) {
        await this.#mapping.writeBack()
        await store.flush()
      }
    } catch (error) {
      this.#core.given.unshift(...given)
      throw error
    } finally {
      this.#gate = undefined
      open()
    }
    if (given.length > 0) this.#releasing = this.#releasing.then(() => this.#release(given))
  }

  /** Gives clusters back. What fails here leaks, which a check finds and mends. */
  async #release(given: Core['given']): Promise<void> {
    try {
      await this.#beforeFreeing()
      for (const { offset, clusters } of given) await this.#refcounts.release(offset, clusters)
    } catch {
      return
    }
  }
}

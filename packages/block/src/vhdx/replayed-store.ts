import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { LogEntry } from './log.ts'
import { LOG_SECTOR } from './spec.ts'

/** A file that may not be written, as it will be once its log is replayed. */
export class ReplayedStore implements ByteStore {
  readonly readOnly = true
  readonly size: number
  readonly #store: ByteStore
  /** Changed sectors of 4 KiB by their number, newer than the stretches of zeroes. */
  readonly #sectors = new Map<number, Uint8Array>()
  readonly #zeroes: { readonly from: number; readonly to: number }[] = []

  constructor(store: ByteStore, entries: readonly LogEntry[]) {
    this.#store = store
    this.size = Math.max(store.size, ...entries.map(({ lastFileOffset }) => Number(lastFileOffset)))
    for (const { changes } of entries) {
      for (const { offset, length, bytes } of changes) {
        if (bytes) this.#sectors.set(offset / LOG_SECTOR, bytes)
        else this.#zero(offset, offset + length)
      }
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#store.read(offset, into)
    const end = offset + into.length
    for (const { from, to } of this.#zeroes) if (from < end && to > offset) into.fill(0, Math.max(0, from - offset), Math.min(into.length, to - offset))
    for (let sector = Math.floor(offset / LOG_SECTOR); sector * LOG_SECTOR < end; sector++) {
      const bytes = this.#sectors.get(sector)
      if (!bytes) continue
      const start = sector * LOG_SECTOR
      const from = Math.max(0, offset - start)
      into.set(bytes.subarray(from, Math.min(LOG_SECTOR, end - start)), start + from - offset)
    }
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    return { length: Math.max(0, this.size - offset), hole: false }
  }

  async flush(): Promise<void> {
    return this.#store.flush()
  }

  async write(): Promise<void> {
    throw new CodedError('read-only', 'the file is read-only')
  }

  async truncate(): Promise<void> {
    return this.write()
  }

  async punchHole(): Promise<void> {
    return this.write()
  }

  async close(): Promise<void> {
    return this.#store.close()
  }

  #zero(from: number, to: number): void {
    for (const sector of [...this.#sectors.keys()]) if (sector * LOG_SECTOR >= from && sector * LOG_SECTOR < to) this.#sectors.delete(sector)
    this.#zeroes.push({ from, to })
  }
}

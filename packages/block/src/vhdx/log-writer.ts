import type { ByteStore } from '@entresol/interfaces'
import { writePages, type PageImage } from '../mapped/page-cache.ts'
import { crc32c } from './crc32c.ts'
import { setSignature } from './fields.ts'
import { wholeMib } from './log.ts'
import type { Region } from './regions.ts'
import { DATA_SECTOR, DATA_SECTOR_SIGNATURE, DATA_SIGNATURE, DESCRIPTOR, LOG_ENTRY, LOG_SECTOR, LOG_SIGNATURE } from './spec.ts'

/** So many descriptors, and the entry's header, fill the first sector of an entry. */
const PAGES_PER_ENTRY = (LOG_SECTOR - LOG_ENTRY.descriptors) / DESCRIPTOR.size

/** Writes changed pages of 4 KiB through the log [2.3]. An entry is the only one in force: the one before is applied by then. */
export class LogWriter {
  readonly #store: ByteStore
  readonly #region: Region
  readonly #guid: Uint8Array
  #sequence = 0n
  /** Where in the log the next entry goes. */
  #next = 0

  constructor(store: ByteStore, region: Region, guid: Uint8Array) {
    this.#store = store
    this.#region = region
    this.#guid = guid
  }

  /** Writes an entry that changes nothing, so that the log is whole when the header begins to name it. */
  begin(): Promise<void> {
    return this.#log([])
  }

  /** Logs the pages and writes them to their places; the last of them are not yet durable there, but in the log. */
  async write(pages: readonly PageImage[]): Promise<void> {
    for (let from = 0; from < pages.length; from += PAGES_PER_ENTRY) {
      const part = pages.slice(from, from + PAGES_PER_ENTRY)
      if (from > 0) await this.#store.flush()
      await this.#log(part)
      await writePages(this.#store, part)
    }
  }

  async #log(pages: readonly PageImage[]): Promise<void> {
    const entry = new Uint8Array((1 + pages.length) * LOG_SECTOR)
    const view = new DataView(entry.buffer)
    const sequence = ++this.#sequence
    setSignature(entry, 0, LOG_SIGNATURE)
    view.setUint32(LOG_ENTRY.entryLength, entry.length, true)
    view.setUint32(LOG_ENTRY.tail, this.#next, true)
    view.setBigUint64(LOG_ENTRY.sequenceNumber, sequence, true)
    view.setUint32(LOG_ENTRY.descriptorCount, pages.length, true)
    entry.set(this.#guid, LOG_ENTRY.logGuid)
    view.setBigUint64(LOG_ENTRY.flushedFileOffset, wholeMib(this.#store.size), true)
    view.setBigUint64(LOG_ENTRY.lastFileOffset, wholeMib(this.#store.size), true)
    for (const [index, { offset, bytes }] of pages.entries()) {
      const at = LOG_ENTRY.descriptors + index * DESCRIPTOR.size
      const data = (1 + index) * LOG_SECTOR
      setSignature(entry, at, DATA_SIGNATURE)
      view.setBigUint64(at + DESCRIPTOR.fileOffset, BigInt(offset), true)
      view.setBigUint64(at + DESCRIPTOR.sequenceNumber, sequence, true)
      entry.set(bytes.subarray(0, 8), at + DESCRIPTOR.leadingBytes)
      entry.set(bytes.subarray(LOG_SECTOR - 4), at + DESCRIPTOR.trailingBytes)
      entry.set(bytes, data)
      setSignature(entry, data, DATA_SECTOR_SIGNATURE)
      view.setUint32(data + DATA_SECTOR.sequenceHigh, Number(sequence >> 32n), true)
      view.setUint32(data + DATA_SECTOR.sequenceLow, Number(sequence & 0xffffffffn), true)
    }
    view.setUint32(LOG_ENTRY.checksum, crc32c(entry, LOG_ENTRY.checksum), true)
    // The log is a ring.
    const first = Math.min(entry.length, this.#region.length - this.#next)
    await this.#store.write(this.#region.offset + this.#next, entry.subarray(0, first))
    if (first < entry.length) await this.#store.write(this.#region.offset, entry.subarray(first))
    await this.#store.flush()
    this.#next = (this.#next + entry.length) % this.#region.length
  }
}

import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { crc32c } from './crc32c.ts'
import { hasSignature } from './fields.ts'
import type { Region } from './regions.ts'
import {
  DATA_SECTOR, DATA_SECTOR_SIGNATURE, DATA_SIGNATURE, DESCRIPTOR, LOG_ENTRY, LOG_SECTOR, LOG_SIGNATURE, MAX_DISK, MIB, REGION_TABLE_OFFSETS, ZERO_SIGNATURE,
} from './spec.ts'

/** A change of the file a log entry describes; `bytes` absent: zeroes. */
export interface LoggedChange {
  readonly offset: number
  readonly length: number
  readonly bytes?: Uint8Array
}

export interface LogEntry {
  /** Offset in the log. */
  readonly at: number
  readonly length: number
  readonly sequence: bigint
  /** Offset in the log of the oldest entry that is not yet applied for certain. */
  readonly tail: number
  readonly flushedFileOffset: bigint
  readonly lastFileOffset: bigint
  readonly changes: readonly LoggedChange[]
}

const bad = (message: string): CodedError => new CodedError('bad-image', `VHDX log: ${message}`)

/**
 * What is to be done to the file before it is used [2.3.3]: the entries from the tail to the head of the sequence with the highest number.
 * Code `bad-image` where there is none: then the log is damaged.
 */
export async function readLog(store: ByteStore, region: Region, guid: Uint8Array): Promise<readonly LogEntry[]> {
  const log = new Uint8Array(region.length)
  await store.read(region.offset, log)
  const entries = new Map<number, LogEntry>()
  for (let at = 0; at < log.length;) {
    const entry = parseEntry(log, at, guid)
    if (entry) entries.set(at, entry)
    // Sectors of an entry are no beginnings of others.
    at += entry ? Math.min(entry.length, log.length - at) : LOG_SECTOR
  }
  const heads = [...entries.values()].sort((a, b) => (a.sequence < b.sequence ? 1 : -1))
  for (const head of heads) {
    const sequence = sequenceTo(entries, head, log.length)
    if (!sequence) continue
    if (head.flushedFileOffset > BigInt(store.size)) throw bad(`the file was ${head.flushedFileOffset} bytes and is ${store.size}`)
    if (head.lastFileOffset > BigInt(2 * MAX_DISK)) throw bad(`a file of ${head.lastFileOffset} bytes`)
    const end = Math.max(store.size, Number(head.lastFileOffset))
    for (const { changes } of sequence) {
      for (const { offset, length } of changes) {
        if (offset < REGION_TABLE_OFFSETS[0] || offset + length > end) throw bad(`${length} bytes at ${offset}, not inside the file`)
        if (offset < region.offset + region.length && region.offset < offset + length) throw bad('it changes itself')
      }
    }
    return sequence
  }
  throw bad('no undamaged entries')
}

/** The entries from the tail of `head` to it, one behind the other with numbers in a row; undefined if they are not all there. */
function sequenceTo(entries: ReadonlyMap<number, LogEntry>, head: LogEntry, length: number): LogEntry[] | undefined {
  const found: LogEntry[] = []
  for (let at = head.tail; ; ) {
    const entry = entries.get(at)
    if (!entry || (found.length > 0 && entry.sequence !== found.at(-1)!.sequence + 1n)) return undefined
    found.push(entry)
    if (entry === head) return found
    at = (entry.at + entry.length) % length
  }
}

/** The entry that begins at `at`, if an undamaged one of this log does [2.3.1]. */
function parseEntry(log: Uint8Array, at: number, guid: Uint8Array): LogEntry | undefined {
  if (!hasSignature(log, at, LOG_SIGNATURE)) return undefined
  const head = new DataView(log.buffer, at, LOG_SECTOR)
  const length = head.getUint32(LOG_ENTRY.entryLength, true)
  const tail = head.getUint32(LOG_ENTRY.tail, true)
  const sequence = head.getBigUint64(LOG_ENTRY.sequenceNumber, true)
  const count = head.getUint32(LOG_ENTRY.descriptorCount, true)
  const descriptorSectors = Math.ceil((LOG_ENTRY.descriptors + count * DESCRIPTOR.size) / LOG_SECTOR)
  if (length === 0 || length % LOG_SECTOR !== 0 || length > log.length || tail % LOG_SECTOR !== 0 || tail >= log.length) return undefined
  if (sequence === 0n || descriptorSectors * LOG_SECTOR > length) return undefined
  if (guid.some((byte, index) => log[at + LOG_ENTRY.logGuid + index] !== byte)) return undefined
  const sector = (index: number): number => (at + index * LOG_SECTOR) % log.length
  // Ends early where another entry begins, so that damaged logs take no longer than others.
  for (let index = 1; index < length / LOG_SECTOR; index++) if (hasSignature(log, sector(index), LOG_SIGNATURE)) return undefined
  const entry = new Uint8Array(length)
  for (let index = 0; index < length / LOG_SECTOR; index++) entry.set(log.subarray(sector(index), sector(index) + LOG_SECTOR), index * LOG_SECTOR)
  const view = new DataView(entry.buffer)
  if (view.getUint32(LOG_ENTRY.checksum, true) !== crc32c(entry, LOG_ENTRY.checksum)) return undefined
  const changes = parseDescriptors(entry, view, count, descriptorSectors, sequence)
  if (!changes) return undefined
  return {
    at, length, sequence, tail, changes,
    flushedFileOffset: view.getBigUint64(LOG_ENTRY.flushedFileOffset, true), lastFileOffset: view.getBigUint64(LOG_ENTRY.lastFileOffset, true),
  }
}

function parseDescriptors(entry: Uint8Array, view: DataView, count: number, descriptorSectors: number, sequence: bigint): LoggedChange[] | undefined {
  const changes: LoggedChange[] = []
  let data = descriptorSectors * LOG_SECTOR
  for (let index = 0; index < count; index++) {
    const at = LOG_ENTRY.descriptors + index * DESCRIPTOR.size
    const offset = Number(view.getBigUint64(at + DESCRIPTOR.fileOffset, true))
    if (view.getBigUint64(at + DESCRIPTOR.sequenceNumber, true) !== sequence || offset % LOG_SECTOR !== 0) return undefined
    if (hasSignature(entry, at, ZERO_SIGNATURE)) {
      const length = Number(view.getBigUint64(at + DESCRIPTOR.zeroLength, true))
      if (length % LOG_SECTOR !== 0) return undefined
      changes.push({ offset, length })
      continue
    }
    if (!hasSignature(entry, at, DATA_SIGNATURE) || data + LOG_SECTOR > entry.length) return undefined
    const number = (BigInt(view.getUint32(data + DATA_SECTOR.sequenceHigh, true)) << 32n) | BigInt(view.getUint32(data + DATA_SECTOR.sequenceLow, true))
    if (!hasSignature(entry, data, DATA_SECTOR_SIGNATURE) || number !== sequence) return undefined
    const bytes = entry.slice(data, data + LOG_SECTOR)
    bytes.set(entry.subarray(at + DESCRIPTOR.leadingBytes, at + DESCRIPTOR.leadingBytes + 8), 0)
    bytes.set(entry.subarray(at + DESCRIPTOR.trailingBytes, at + DESCRIPTOR.trailingBytes + 4), LOG_SECTOR - 4)
    changes.push({ offset, length: LOG_SECTOR, bytes })
    data += LOG_SECTOR
  }
  return changes
}

/** Does to the file what the log says. Durable once it resolves. */
export async function replay(store: ByteStore, entries: readonly LogEntry[]): Promise<void> {
  for (const { changes, lastFileOffset } of entries) {
    if (store.size < Number(lastFileOffset)) await store.truncate(Number(lastFileOffset))
    for (const { offset, length, bytes } of changes) {
      if (bytes) await store.write(offset, bytes)
      else await store.punchHole(offset, length)
    }
  }
  await store.flush()
}

/** Offsets of files in log entries are whole MiB. */
export const wholeMib = (bytes: number): bigint => BigInt(Math.floor(bytes / MIB) * MIB)

import { CodedError } from '@entresol/kit'
import type { ImageSnapshot, ImageSnapshots } from '../format.ts'
import type { Core } from './core.ts'
import { l1EntriesFor } from './header.ts'
import type { Parts } from './image.ts'
import { adjustCounts, updateCopied } from './references.ts'
import { COPIED_HI, L1_ENTRY, MAX_L1_BYTES, MAX_SNAPSHOTS, MAX_SNAPSHOT_EXTRA, MAX_SNAPSHOT_TABLE_BYTES, SNAPSHOT, SNAPSHOT_EXTRA } from './spec.ts'

export interface SnapshotEntry extends ImageSnapshot {
  readonly l1TableOffset: number
  readonly l1Size: number
  /** Extra data we do not know, kept. */
  readonly extra: Uint8Array
}

const bad = (message: string): CodedError => new CodedError('bad-image', `qcow2: snapshot table: ${message}`)
const pad8 = (bytes: number): number => Math.ceil(bytes / 8) * 8

/** Reads the table of internal snapshots. Code `bad-image`. */
export async function readSnapshots(core: Core): Promise<SnapshotEntry[]> {
  const { nbSnapshots, snapshotsOffset, size } = core.header
  const entries: SnapshotEntry[] = []
  const text = new TextDecoder()
  for (let at = snapshotsOffset; entries.length < nbSnapshots;) {
    if (at - snapshotsOffset > MAX_SNAPSHOT_TABLE_BYTES || at >= core.store.size) throw bad('is cut off')
    const fixed = new Uint8Array(SNAPSHOT.extra)
    await core.store.read(at, fixed)
    const view = new DataView(fixed.buffer)
    const extraLength = view.getUint32(SNAPSHOT.extraLength)
    if (extraLength > MAX_SNAPSHOT_EXTRA) throw bad(`${extraLength} bytes of extra data`)
    const idLength = view.getUint16(SNAPSHOT.idLength)
    const nameLength = view.getUint16(SNAPSHOT.nameLength)
    const rest = new Uint8Array(extraLength + idLength + nameLength)
    await core.store.read(at + SNAPSHOT.extra, rest)
    const extra = new DataView(rest.buffer)
    const l1TableOffset = Number(view.getBigUint64(SNAPSHOT.l1TableOffset))
    const l1Size = view.getUint32(SNAPSHOT.l1Size)
    if (l1TableOffset % core.clusterSize !== 0 || l1Size * L1_ENTRY > MAX_L1_BYTES) throw bad(`L1 table of ${l1Size} entries at offset ${l1TableOffset}`)
    entries.push({
      id: text.decode(rest.subarray(extraLength, extraLength + idLength)),
      name: text.decode(rest.subarray(extraLength + idLength)),
      dateSeconds: view.getUint32(SNAPSHOT.dateSeconds),
      dateNanoseconds: view.getUint32(SNAPSHOT.dateNanoseconds),
      vmClock: view.getBigUint64(SNAPSHOT.vmClock),
      vmStateSize: extraLength >= 8 ? Number(extra.getBigUint64(0)) : view.getUint32(SNAPSHOT.vmStateSize),
      diskSize: extraLength >= 16 ? Number(extra.getBigUint64(8)) : size,
      l1TableOffset, l1Size,
      extra: rest.slice(Math.min(16, extraLength), extraLength),
    })
    at += pad8(SNAPSHOT.extra + rest.length)
  }
  return entries
}

function serialise(entries: readonly SnapshotEntry[]): Uint8Array {
  const parts = entries.map((entry) => {
    const id = new TextEncoder().encode(entry.id)
    const name = new TextEncoder().encode(entry.name)
    const extraLength = SNAPSHOT_EXTRA + entry.extra.length
    const bytes = new Uint8Array(pad8(SNAPSHOT.extra + extraLength + id.length + name.length))
    const view = new DataView(bytes.buffer)
    view.setBigUint64(SNAPSHOT.l1TableOffset, BigInt(entry.l1TableOffset))
    view.setUint32(SNAPSHOT.l1Size, entry.l1Size)
    view.setUint16(SNAPSHOT.idLength, id.length)
    view.setUint16(SNAPSHOT.nameLength, name.length)
    view.setUint32(SNAPSHOT.dateSeconds, entry.dateSeconds)
    view.setUint32(SNAPSHOT.dateNanoseconds, entry.dateNanoseconds)
    view.setBigUint64(SNAPSHOT.vmClock, entry.vmClock)
    view.setUint32(SNAPSHOT.vmStateSize, Math.min(entry.vmStateSize, 0xffffffff))
    view.setUint32(SNAPSHOT.extraLength, extraLength)
    view.setBigUint64(SNAPSHOT.extraVmStateSize, BigInt(entry.vmStateSize))
    view.setBigUint64(SNAPSHOT.extraDiskSize, BigInt(entry.diskSize))
    bytes.set(entry.extra, SNAPSHOT.extra + SNAPSHOT_EXTRA)
    bytes.set(id, SNAPSHOT.extra + extraLength)
    bytes.set(name, SNAPSHOT.extra + extraLength + id.length)
    return bytes
  })
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0)
  return all
}

/** Bytes the table takes in the file. */
export const snapshotTableLength = (entries: readonly SnapshotEntry[]): number => serialise(entries).length

/**
 * Internal snapshots. Counts and the flags in the tables cannot change at once; while they do, the dirty bit says so (version 3), and who opens the image
 * next makes them anew. The data is safe at any moment: the header changes from the old state to the new one in one write.
 */
export class Snapshots implements ImageSnapshots {
  readonly #parts: Parts
  readonly #locked: <T>(action: () => Promise<T>) => Promise<T>
  #entries: readonly SnapshotEntry[]

  constructor(parts: Parts, entries: readonly SnapshotEntry[], locked: <T>(action: () => Promise<T>) => Promise<T>) {
    this.#parts = parts
    this.#entries = entries
    this.#locked = locked
  }

  get entries(): readonly SnapshotEntry[] {
    return this.#entries
  }

  list(): readonly ImageSnapshot[] {
    return this.#entries.map(({ l1TableOffset: _offset, l1Size: _size, extra: _extra, ...snapshot }) => snapshot)
  }

  create(name: string, date: { readonly seconds: number; readonly nanoseconds: number }): Promise<void> {
    return this.#change(async () => {
      const { core, mapping, refcounts } = this.#parts
      if (this.#entries.length >= MAX_SNAPSHOTS) throw new CodedError('unsupported', `qcow2: more than ${MAX_SNAPSHOTS} snapshots`)
      if (new TextEncoder().encode(name).length > 0xffff) throw new CodedError('bad-option', 'the name of the snapshot is too long')
      const l1 = withoutFlags(mapping.l1Bytes)
      await adjustCounts(this.#parts, l1, 1)
      const l1TableOffset = await this.#place(l1)
      await refcounts.writeBack()
      await core.store.flush()
      await updateCopied(this.#parts)
      await mapping.writeBack()
      const id = String(Math.max(0, ...this.#entries.map((entry) => Number(entry.id) || 0)) + 1)
      await this.#replaceTable([...this.#entries, {
        id, name, l1TableOffset, l1Size: l1.length / L1_ENTRY, dateSeconds: date.seconds, dateNanoseconds: date.nanoseconds, vmClock: 0n, vmStateSize: 0,
        diskSize: core.header.size, extra: new Uint8Array(0),
      }])
    })
  }

  apply(which: string): Promise<void> {
    return this.#change(async () => {
      const { core, mapping, refcounts } = this.#parts
      const entry = this.#find(which)
      const { l1TableOffset, l1Size } = core.header
      const old = mapping.l1Bytes
      const saved = await this.#l1Of(entry)
      await adjustCounts(this.#parts, saved, 1)
      const l1 = new Uint8Array(Math.max(saved.length, l1EntriesFor(core.header, entry.diskSize) * L1_ENTRY))
      l1.set(withoutFlags(saved))
      const offset = await this.#place(l1)
      await refcounts.writeBack()
      await core.changeHeader({ l1TableOffset: offset, l1Size: l1.length / L1_ENTRY, size: entry.diskSize })
      await mapping.reload()
      await this.#release(old, l1TableOffset, l1Size)
    })
  }

  delete(which: string): Promise<void> {
    return this.#change(async () => {
      const entry = this.#find(which)
      const saved = await this.#l1Of(entry)
      await this.#replaceTable(this.#entries.filter((other) => other !== entry))
      await this.#release(saved, entry.l1TableOffset, entry.l1Size)
    })
  }

  #find(which: string): SnapshotEntry {
    const found = this.#entries.find(({ id }) => id === which) ?? this.#entries.find(({ name }) => name === which)
    if (!found) throw new CodedError('no-snapshot', `no snapshot '${which}'`)
    return found
  }

  /** The whole image is locked; while counts and flags change, it is marked. */
  #change(action: () => Promise<void>): Promise<void> {
    return this.#locked(async () => {
      const { core, metadata } = this.#parts
      if (core.header.externalData) throw new CodedError('unsupported', 'qcow2: no snapshots with an external data file')
      const mark = core.header.version === 3 && !core.header.dirty
      if (mark) await core.changeHeader({ dirty: true })
      await action()
      await metadata.settle()
      if (mark) await core.changeHeader({ dirty: false })
    })
  }

  async #l1Of(entry: SnapshotEntry): Promise<Uint8Array> {
    const bytes = new Uint8Array(entry.l1Size * L1_ENTRY)
    await this.#parts.core.store.read(entry.l1TableOffset, bytes)
    return bytes
  }

  /** Writes a table to clusters of its own. */
  async #place(bytes: Uint8Array): Promise<number> {
    const { core, refcounts } = this.#parts
    const padded = new Uint8Array(Math.max(core.clusterSize, core.roundUp(bytes.length)))
    padded.set(bytes)
    const { offset } = await refcounts.allocateRow(padded.length / core.clusterSize)
    await core.store.write(offset, padded)
    return offset
  }

  async #replaceTable(entries: readonly SnapshotEntry[]): Promise<void> {
    const { core, refcounts } = this.#parts
    const { snapshotsOffset } = core.header
    const bytes = serialise(entries)
    if (bytes.length > MAX_SNAPSHOT_TABLE_BYTES) throw new CodedError('unsupported', 'qcow2: the snapshot table is too long')
    const offset = entries.length > 0 ? await this.#place(bytes) : 0
    await refcounts.writeBack()
    await core.changeHeader({ nbSnapshots: entries.length, snapshotsOffset: offset })
    if (this.#entries.length > 0) core.giveUp(snapshotsOffset, Math.ceil(snapshotTableLength(this.#entries) / core.clusterSize))
    this.#entries = entries
  }

  /** Nothing in the file refers to this L1 table any more: counts of what it led to go down. */
  async #release(l1: Uint8Array, offset: number, entries: number): Promise<void> {
    const { core, compressed, mapping, refcounts } = this.#parts
    await compressed.forget()
    await adjustCounts(this.#parts, l1, -1)
    await refcounts.release(offset, Math.max(1, Math.ceil(entries * L1_ENTRY / core.clusterSize)))
    mapping.cache.clear()
    await updateCopied(this.#parts)
  }
}

function withoutFlags(l1: Uint8Array): Uint8Array {
  const bytes = l1.slice()
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < bytes.length; at += L1_ENTRY) view.setUint32(at, (view.getUint32(at) & ~COPIED_HI) >>> 0)
  return bytes
}

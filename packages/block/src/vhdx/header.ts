import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { crc32c } from './crc32c.ts'
import { hasSignature, setSignature } from './fields.ts'
import { HEADER, HEADER_LENGTH, HEADER_OFFSETS, HEADER_SIGNATURE, MAX_LOG, MIB, VERSION } from './spec.ts'

/** Fields that change while the file is in use. */
export interface HeaderChange {
  readonly fileWriteGuid?: Uint8Array
  readonly dataWriteGuid?: Uint8Array
  readonly logGuid?: Uint8Array
}

/** The header that counts, of the two [2.2.2]. */
export class Header {
  readonly #store: ByteStore
  #bytes: Uint8Array
  /** Which of the two it is. */
  #slot: number

  /** Codes `bad-image` and `unsupported`. */
  static async read(store: ByteStore): Promise<Header> {
    const found: { readonly bytes: Uint8Array; readonly slot: number; readonly sequence: bigint }[] = []
    for (const [slot, offset] of HEADER_OFFSETS.entries()) {
      const bytes = new Uint8Array(HEADER_LENGTH)
      await store.read(offset, bytes)
      const view = new DataView(bytes.buffer)
      if (!hasSignature(bytes, 0, HEADER_SIGNATURE) || view.getUint32(HEADER.checksum, true) !== crc32c(bytes, HEADER.checksum)) continue
      found.push({ bytes, slot, sequence: view.getBigUint64(HEADER.sequenceNumber, true) })
    }
    const [first, second] = found
    if (!first) throw new CodedError('bad-image', 'VHDX: no undamaged header')
    if (second && first.sequence === second.sequence && first.bytes.some((byte, at) => byte !== second.bytes[at])) {
      throw new CodedError('bad-image', 'VHDX: both headers have the same number and are not the same')
    }
    const { bytes, slot } = second && second.sequence > first.sequence ? second : first
    const header = new Header(store, bytes, slot)
    header.#check()
    return header
  }

  private constructor(store: ByteStore, bytes: Uint8Array, slot: number) {
    this.#store = store
    this.#bytes = bytes
    this.#slot = slot
  }

  get logOffset(): number {
    return Number(this.#view.getBigUint64(HEADER.logOffset, true))
  }

  get logLength(): number {
    return this.#view.getUint32(HEADER.logLength, true)
  }

  get fileWriteGuid(): Uint8Array {
    return this.#bytes.slice(HEADER.fileWriteGuid, HEADER.fileWriteGuid + 16)
  }

  get dataWriteGuid(): Uint8Array {
    return this.#bytes.slice(HEADER.dataWriteGuid, HEADER.dataWriteGuid + 16)
  }

  /** All zero: the log holds nothing. */
  get logGuid(): Uint8Array {
    return this.#bytes.slice(HEADER.logGuid, HEADER.logGuid + 16)
  }

  /** Overwrites the older header by one with these changes, which is then the one that counts [2.2.2.1]. Durable once it resolves. */
  async update(change: HeaderChange): Promise<void> {
    const bytes = this.#bytes.slice()
    const view = new DataView(bytes.buffer)
    view.setBigUint64(HEADER.sequenceNumber, view.getBigUint64(HEADER.sequenceNumber, true) + 1n, true)
    if (change.fileWriteGuid) bytes.set(change.fileWriteGuid, HEADER.fileWriteGuid)
    if (change.dataWriteGuid) bytes.set(change.dataWriteGuid, HEADER.dataWriteGuid)
    if (change.logGuid) bytes.set(change.logGuid, HEADER.logGuid)
    view.setUint32(HEADER.checksum, crc32c(bytes, HEADER.checksum), true)
    const slot = 1 - this.#slot
    await this.#store.write(HEADER_OFFSETS[slot]!, bytes)
    await this.#store.flush()
    this.#bytes = bytes
    this.#slot = slot
  }

  get #view(): DataView {
    return new DataView(this.#bytes.buffer)
  }

  #check(): void {
    const version = this.#view.getUint16(HEADER.version, true)
    if (version !== VERSION) throw new CodedError('unsupported', `VHDX: version ${version}, only ${VERSION} is known`)
    const logVersion = this.#view.getUint16(HEADER.logVersion, true)
    if (logVersion !== 0) throw new CodedError('unsupported', `VHDX: log version ${logVersion}, only 0 is known`)
    const { logOffset, logLength } = this
    if (logOffset < MIB || logOffset % MIB !== 0 || logLength % MIB !== 0 || logLength === 0 || logOffset + logLength > this.#store.size) {
      throw new CodedError('bad-image', `VHDX: a log of ${logLength} bytes at ${logOffset}`)
    }
    if (logLength > MAX_LOG) throw new CodedError('unsupported', `VHDX: a log of ${logLength} bytes, more than ${MAX_LOG}`)
  }
}

/** Both headers of a new file. */
export async function writeNewHeaders(store: ByteStore, logOffset: number, logLength: number, random: (into: Uint8Array) => void): Promise<void> {
  const bytes = new Uint8Array(HEADER_LENGTH)
  const view = new DataView(bytes.buffer)
  setSignature(bytes, 0, HEADER_SIGNATURE)
  random(bytes.subarray(HEADER.fileWriteGuid, HEADER.fileWriteGuid + 16))
  random(bytes.subarray(HEADER.dataWriteGuid, HEADER.dataWriteGuid + 16))
  view.setUint16(HEADER.version, VERSION, true)
  view.setUint32(HEADER.logLength, logLength, true)
  view.setBigUint64(HEADER.logOffset, BigInt(logOffset), true)
  for (const [slot, offset] of HEADER_OFFSETS.entries()) {
    view.setBigUint64(HEADER.sequenceNumber, BigInt(slot + 1), true)
    view.setUint32(HEADER.checksum, crc32c(bytes, HEADER.checksum), true)
    await store.write(offset, bytes)
  }
}

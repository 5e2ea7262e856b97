import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { SECTOR } from '../support/range.ts'
import { serialiseFields } from './header.ts'
import type { Header } from './header.ts'
import { EXTENDED_L2_ENTRY, L1_ENTRY, L2_ENTRY, OFFSET_HI, OFFSET_LO } from './spec.ts'

/** Host offset in an entry of an L1, L2 or refcount table. */
export const hostOffset = (hi: number, lo: number): number => (hi & OFFSET_HI) * 2 ** 32 + ((lo & OFFSET_LO) >>> 0)

/** What every part of an open image works on: the file, its header, and the numbers that follow from it. */
export class Core {
  readonly store: ByteStore
  readonly header: Header
  readonly clusterSize: number
  readonly entrySize: number
  /** L2 entries per table. */
  readonly tableEntries: number
  /** Clusters nothing refers to any more, once what is in memory is in the file; their counts go down only then. */
  given: { readonly offset: number; readonly clusters: number }[] = []
  /** Set once something is known to be inconsistent; nothing is written any more. */
  #failed: CodedError | undefined

  constructor(store: ByteStore, header: Header) {
    this.store = store
    this.header = header
    this.clusterSize = 2 ** header.clusterBits
    this.entrySize = header.extendedL2 ? EXTENDED_L2_ENTRY : L2_ENTRY
    this.tableEntries = this.clusterSize / this.entrySize
  }

  roundUp(bytes: number): number {
    return Math.ceil(bytes / this.clusterSize) * this.clusterSize
  }

  /** Writes the header's fields: one sector, so that a power cut leaves the old ones or the new ones. */
  async writeFields(): Promise<void> {
    const sector = new Uint8Array(SECTOR)
    await this.store.read(0, sector)
    serialiseFields(this.header, sector)
    await this.store.write(0, sector)
  }

  /** Changes fields of the header, certain to be in the file when this resolves, and not before everything written so far. */
  async changeHeader(fields: Partial<Header>): Promise<void> {
    await this.store.flush()
    Object.assign(this.header, fields)
    await this.writeFields()
    await this.store.flush()
  }

  checkWritable(): void {
    if (this.#failed) throw this.#failed
  }

  /** The image contradicts itself: marks it corrupt, so that nobody writes to it before it is repaired, and returns the error to throw. */
  async corrupt(message: string): Promise<CodedError> {
    const error = new CodedError('bad-image', `qcow2: ${message}`)
    if (this.#failed || this.store.readOnly) return error
    this.#failed = new CodedError('bad-image', `qcow2: not written to any more: ${message}`)
    if (this.header.version === 3) {
      this.header.corrupt = true
      await this.writeFields()
    }
    return error
  }

  /** Ends one use of clusters. */
  giveUp(offset: number, clusters: number): void {
    const last = this.given.at(-1)
    if (last && last.offset + last.clusters * this.clusterSize === offset) this.given[this.given.length - 1] = { offset: last.offset, clusters: last.clusters + clusters }
    else this.given.push({ offset, clusters })
  }

  /** Whether header, L1 table or refcount table lie there: never data, never free. */
  isReserved(offset: number, length: number): boolean {
    const { l1TableOffset, l1Size, refcountTableOffset, refcountTableClusters } = this.header
    const meets = (start: number, bytes: number): boolean => offset < start + bytes && start < offset + length
    return meets(0, this.clusterSize) || meets(l1TableOffset, l1Size * L1_ENTRY) || meets(refcountTableOffset, refcountTableClusters * this.clusterSize)
  }

  /** A cluster the image says it uses: whole, and not the header. */
  async checkCluster(offset: number, what: string): Promise<void> {
    if (offset % this.clusterSize !== 0 || offset === 0) throw await this.corrupt(`${what} at offset ${offset}`)
  }
}

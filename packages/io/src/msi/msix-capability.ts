import type { AccessSize, BusDevice, IoFault, MsiSink, Resettable, Snapshotable } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { type Check, list, record, u32 } from '../device/saved-state.ts'
import type { PciDevice } from '../pci/pci-device.ts'
import * as spec from '../pci/spec.ts'

/** MSI-X table (four words per vector) and pending bits. */
export interface MsixState {
  table: number[]
  pending: number[]
}

/**
 * The MSI-X capability (PCI 3.0, 6.8.2). `window` holds the vector table at 0 and the pending bit array behind it; the device
 * puts it behind a BAR of its own (or inside a larger one: give the offset).
 */
export class MsixCapability implements Snapshotable<MsixState>, Resettable {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly offset: number
  readonly vectors: number
  readonly window: BusDevice
  readonly #device: PciDevice
  readonly #sink: MsiSink
  readonly #table: Uint32Array
  readonly #pending: Uint32Array
  readonly #check: Check<MsixState>

  /**
   * `bar` and `barOffset` say where software finds the table; `barOffset` is a multiple of 8. Throws `msix-vectors` unless
   * 1 <= vectors <= 2048.
   */
  constructor(device: PciDevice, sink: MsiSink, vectors: number, bar: number, barOffset = 0) {
    if (!(Number.isInteger(vectors) && vectors >= 1 && vectors <= 2048)) throw new CodedError('msix-vectors', `${device.name}: ${vectors} MSI-X vectors`)
    this.name = `${device.name}-msix`
    this.vectors = vectors
    this.#device = device
    this.#sink = sink
    this.#table = new Uint32Array(4 * vectors)
    this.#pending = new Uint32Array(Math.ceil(vectors / 64) * 2)
    this.#check = record<MsixState>({ table: list(u32, this.#table.length, true), pending: list(u32, this.#pending.length, true) })
    const tableBytes = this.#table.byteLength
    this.offset = device.addCapability(spec.CAPABILITY_MSIX, 12)
    device.config.define(this.offset + 2, 2, vectors - 1, spec.MSIX_ENABLE | spec.MSIX_FUNCTION_MASK)
    device.config.define(this.offset + 4, 4, barOffset | bar)
    device.config.define(this.offset + 8, 4, (barOffset + tableBytes) | bar)
    this.window = {
      name: this.name,
      length: tableBytes + this.#pending.byteLength,
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value)
    }
    device.onConfigChange(() => this.#deliverPending())
    this.reset()
  }

  get enabled(): boolean {
    return (this.#device.config.read(this.offset + 2, 2) & spec.MSIX_ENABLE) !== 0
  }

  /** Sends message `vector`, or keeps it pending while it or the function is masked. Nothing happens when MSI-X is off. */
  signal(vector: number): void {
    if (!this.enabled || vector < 0 || vector >= this.vectors) return
    if (this.#masked(vector)) this.#pending[vector >> 5] |= 1 << (vector & 31)
    else this.#sink.send(this.#table[4 * vector], this.#table[4 * vector + 1], this.#table[4 * vector + 2])
  }

  #masked(vector: number): boolean {
    const control = this.#device.config.read(this.offset + 2, 2)
    return (control & spec.MSIX_FUNCTION_MASK) !== 0 || (this.#table[4 * vector + 3] & spec.MSIX_VECTOR_MASKED) !== 0 || !this.#device.busMaster
  }

  #deliverPending(): void {
    if (!this.enabled) return
    for (let vector = 0; vector < this.vectors; vector++) {
      const bit = 1 << (vector & 31)
      if ((this.#pending[vector >> 5] & bit) === 0 || this.#masked(vector)) continue
      this.#pending[vector >> 5] &= ~bit
      this.signal(vector)
    }
  }

  /** Only 32-bit (and 64-bit, which arrive as two) accesses are defined (6.8.2). */
  #read(offset: number, size: AccessSize): number | IoFault {
    if (size !== 4 || (offset & 3) !== 0) return 'no-register'
    const index = offset >>> 2
    return index < this.#table.length ? this.#table[index] : this.#pending[index - this.#table.length]
  }

  #write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4 || (offset & 3) !== 0) return 'no-register'
    const index = offset >>> 2
    if (index >= this.#table.length) return undefined
    this.#table[index] = (index & 3) === 3 ? value & spec.MSIX_VECTOR_MASKED : (index & 3) === 0 ? value & ~3 : value
    if ((index & 3) === 3) this.#deliverPending()
    return undefined
  }

  /** Every vector is masked after reset (6.8.2.9). */
  reset(): void {
    this.#table.fill(0)
    this.#pending.fill(0)
    for (let vector = 0; vector < this.vectors; vector++) this.#table[4 * vector + 3] = spec.MSIX_VECTOR_MASKED
  }

  save(): MsixState {
    return { table: [...this.#table], pending: [...this.#pending] }
  }

  restore(state: MsixState): void {
    const checked = this.#check(state, this.name)
    this.#table.set(checked.table)
    this.#pending.set(checked.pending)
  }
}

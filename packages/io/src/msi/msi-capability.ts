import type { MsiSink } from '@entresol/interfaces'
import type { PciDevice } from '../pci/pci-device.ts'
import * as spec from '../pci/spec.ts'

/** The MSI capability of a PCI function, 64-bit addresses, with per-vector masking (PCI 3.0, 6.8.1). */
export class MsiCapability {
  readonly offset: number
  readonly #device: PciDevice
  readonly #sink: MsiSink

  /** `vectors` is 1, 2, 4, 8, 16 or 32. Adds the capability to `device`; its registers are saved with the device's. */
  constructor(device: PciDevice, sink: MsiSink, vectors: 1 | 2 | 4 | 8 | 16 | 32) {
    this.#device = device
    this.#sink = sink
    const config = device.config
    const offset = device.addCapability(spec.CAPABILITY_MSI, 24)
    this.offset = offset
    const capable = Math.log2(vectors) << 1
    config.define(offset + 2, 2, capable | spec.MSI_64BIT | spec.MSI_PER_VECTOR_MASKING, spec.MSI_ENABLE | spec.MSI_MULTIPLE_MESSAGE_ENABLE)
    config.define(offset + 4, 4, 0, 0xffff_fffc)
    config.define(offset + 8, 4, 0, 0xffff_ffff)
    config.define(offset + 12, 2, 0, 0xffff)
    config.define(offset + 16, 4, 0, vectors === 32 ? 0xffff_ffff : 2 ** vectors - 1)
    config.define(offset + 20, 4, 0)
    config.markVolatile(offset + 20, 4)
    device.onConfigChange(() => this.#update())
  }

  /** Software uses MSI; the function must not drive INTx# then (6.8.1.3). */
  get enabled(): boolean {
    return (this.#device.config.bytes[this.offset + 2] & spec.MSI_ENABLE) !== 0
  }

  /** Sends message `vector`, or keeps it pending while masked. Nothing happens when MSI is off. */
  signal(vector: number): void {
    if (!this.enabled) return
    const config = this.#device.config
    const bit = (1 << vector) >>> 0
    if ((config.read(this.offset + 16, 4) & bit) !== 0 || !this.#device.busMaster) {
      config.set(this.offset + 20, 4, config.read(this.offset + 20, 4) | bit)
      return
    }
    // The function puts the vector into the low bits that software granted (6.8.1.6).
    const granted = 1 << Math.min((config.read(this.offset + 2, 2) >>> 4) & 7, 5)
    const data = config.read(this.offset + 12, 2)
    this.#sink.send(config.read(this.offset + 4, 4), config.read(this.offset + 8, 4), (data & ~(granted - 1)) | (vector & (granted - 1)))
  }

  #update(): void {
    if (!this.enabled || !this.#device.busMaster) return
    const config = this.#device.config
    const pending = config.read(this.offset + 20, 4)
    const ready = pending & ~config.read(this.offset + 16, 4)
    if (ready === 0) return
    config.set(this.offset + 20, 4, pending & ~ready)
    for (let vector = 0; vector < 32; vector++) if ((ready & (1 << vector)) !== 0) this.signal(vector)
  }
}

import type { AccessSize, GuestMemory, MsiSink, VirtioDevice } from '@entresol/interfaces'
import { MsixCapability, type MsixState, PciDevice, type PciDeviceState } from '@entresol/io'
import { VirtioPci, virtioPciIdentity, virtioPciSpec as spec } from '@entresol/virtio'
import type { VirtioPciCapability, VirtioPciState } from '@entresol/virtio'

const BAR = 0
const MSIX_BAR = 1
/** A message for each queue and one for the configuration; with more queues than this they share. */
const MAX_VECTORS = 65

export interface VirtioPciFunctionOptions {
  readonly device: VirtioDevice
  readonly memory: GuestMemory
  readonly messages: MsiSink
  readonly ringFeatures?: bigint | undefined
  /** Function 0 of a slot that holds others. */
  readonly multifunction?: boolean
}

export interface VirtioPciFunctionState extends PciDeviceState {
  msix: MsixState
  transport: VirtioPciState
}

/** A PCI function with a virtio device in it: the transport's registers in BAR 0, MSI-X in BAR 1. */
export class VirtioPciFunction extends PciDevice {
  readonly #transport: VirtioPci
  readonly #msix: MsixCapability
  /** The window to BAR 0 in configuration space (virtio 1.2, 4.1.4.9). */
  readonly #window: number

  constructor({ device, memory, messages, ringFeatures, multifunction = false }: VirtioPciFunctionOptions) {
    super({ name: device.name, ...virtioPciIdentity(device), interruptPin: 1, multifunction })
    const vectors = Math.min(device.queueSizes.length + 1, MAX_VECTORS)
    const msix = new MsixCapability(this, messages, vectors, MSIX_BAR)
    this.#msix = msix
    const transport = new VirtioPci({
      device, memory, ...(ringFeatures === undefined ? {} : { ringFeatures }),
      interrupts: {
        vectors, get isMsix() { return msix.enabled }, message: (vector) => msix.signal(vector),
        pin: { set: (asserted) => this.setInterrupt(asserted) },
      },
    })
    this.#transport = transport
    this.addBar(BAR, { kind: 'memory', device: transport })
    this.addBar(MSIX_BAR, { kind: 'memory', device: msix.window })
    for (const capability of transport.capabilities) this.#addCapability(capability)
    this.#window = this.#addWindow()
    this.onConfigChange(() => transport.updatePin())
  }

  #addCapability({ type, offset, length, extra }: VirtioPciCapability): number {
    const bytes = extra === undefined ? spec.CAP_BYTES : spec.CAP_BYTES + 4
    const at = this.addCapability(spec.CAPABILITY_VENDOR, bytes)
    this.config.define(at + spec.CAP_LENGTH, 1, bytes)
    this.config.define(at + spec.CAP_TYPE, 1, type)
    this.config.define(at + spec.CAP_BAR, 1, BAR)
    this.config.define(at + spec.CAP_OFFSET, 4, offset)
    this.config.define(at + spec.CAP_STRUCTURE_LENGTH, 4, length)
    if (extra !== undefined) this.config.define(at + spec.CAP_EXTRA, 4, extra)
    return at
  }

  #addWindow(): number {
    const at = this.#addCapability({ type: spec.CAP_PCI_CFG, offset: 0, length: 0, extra: 0 })
    this.config.define(at + spec.CAP_BAR, 1, 0, 0xff)
    this.config.define(at + spec.CAP_OFFSET, 4, 0, 0xffff_ffff)
    this.config.define(at + spec.CAP_STRUCTURE_LENGTH, 4, 0, 0xffff_ffff)
    this.config.define(at + spec.CAP_EXTRA, 4, 0, 0xffff_ffff)
    return at
  }

  /** Whether an access to configuration space reaches the window's data, and what it is aimed at. */
  #target(offset: number, size: AccessSize): { offset: number; size: AccessSize } | undefined {
    const data = this.#window + spec.CAP_EXTRA
    if (offset + size <= data || offset >= data + 4) return undefined
    const target = this.config.read(this.#window + spec.CAP_OFFSET, 4)
    const length = this.config.read(this.#window + spec.CAP_STRUCTURE_LENGTH, 4)
    const isAimed = this.config.bytes[this.#window + spec.CAP_BAR] === BAR && (length === 1 || length === 2 || length === 4) &&
      target % length === 0 && target + length <= this.#transport.length
    return isAimed ? { offset: target, size: length } : undefined
  }

  override readConfig(offset: number, size: AccessSize): number {
    const target = this.#target(offset, size)
    if (target) {
      const value = this.#transport.read(target.offset, target.size)
      this.config.set(this.#window + spec.CAP_EXTRA, target.size, typeof value === 'number' ? value : 0xffff_ffff)
    }
    return super.readConfig(offset, size)
  }

  protected override configWritten(offset: number, size: AccessSize): void {
    const target = this.#target(offset, size)
    if (target) this.#transport.write(target.offset, target.size, this.config.read(this.#window + spec.CAP_EXTRA, target.size))
  }

  override reset(): void {
    super.reset()
    this.#transport.reset()
    this.#msix.reset()
  }

  override save(): VirtioPciFunctionState {
    return { ...super.save(), msix: this.#msix.save(), transport: this.#transport.save() }
  }

  override restore(state: VirtioPciFunctionState): void {
    const before = { pci: super.save(), msix: this.#msix.save() }
    super.restore(state)
    try {
      this.#msix.restore(state.msix)
      this.#transport.restore(state.transport)
    } catch (error) {
      super.restore(before.pci)
      this.#msix.restore(before.msix)
      throw error
    }
    this.#transport.updatePin()
  }
}

import type { AccessSize, BusDevice, InterruptLine, IoFault, Resettable, Snapshotable, VirtioDevice } from '@entresol/interfaces'
import { type Check, list, record, u16, u8 } from '@entresol/kit/saved-state'
import { INTERRUPT_CONFIG, INTERRUPT_USED, VIRTIO_F_RING_RESET } from '../../spec.ts'
import { type CoreState, type QueueRegisters, type TransportOptions, VirtioCore } from '../core.ts'
import * as spec from './spec.ts'

/** The PCI function's interrupts, as its owner gives them. */
export interface VirtioPciInterrupts {
  /** MSI-X is enabled; the number of vectors is fixed. */
  readonly isMsix: boolean
  readonly vectors: number
  message(vector: number): void
  /** INTx#, level. */
  readonly pin: InterruptLine
}

export interface VirtioPciOptions extends TransportOptions {
  readonly interrupts: VirtioPciInterrupts
}

export interface VirtioPciState {
  isr: number
  configVector: number
  queueVectors: number[]
  core: CoreState
}

/** One of the structures behind the BAR, for the list of capabilities (4.1.4). `extra` follows the common part. */
export interface VirtioPciCapability {
  readonly type: number
  readonly offset: number
  readonly length: number
  readonly extra?: number
}

/** What the PCI function of a device is identified by (4.1.2). */
export function virtioPciIdentity(device: VirtioDevice): { vendorId: number; deviceId: number; classCode: number; revision: number; subsystemVendorId: number; subsystemId: number } {
  return {
    vendorId: spec.VENDOR_ID, deviceId: spec.DEVICE_ID_BASE + device.deviceId, classCode: spec.CLASS_CODES.get(device.deviceId) ?? spec.CLASS_OTHER,
    revision: spec.REVISION, subsystemVendorId: spec.VENDOR_ID, subsystemId: spec.SUBSYSTEM_ID,
  }
}

/**
 * The memory BAR of a modern virtio device over PCI (virtio 1.2, 4.1). Whoever owns the PCI function puts it behind a BAR, `capabilities` into
 * configuration space, and gives it the interrupts.
 */
export class VirtioPci implements BusDevice, Snapshotable<VirtioPciState>, Resettable {
  readonly name: string
  readonly length: number
  readonly snapshotVersion: number = 1
  readonly core: VirtioCore
  readonly capabilities: readonly VirtioPciCapability[]
  readonly #interrupts: VirtioPciInterrupts
  readonly #queueVectors: Uint16Array
  readonly #check: Check<VirtioPciState>
  #configVector: number = spec.NO_VECTOR
  #isr = 0

  /** Throws `virtio-device`. */
  constructor(options: VirtioPciOptions) {
    const { device, interrupts } = options
    this.name = `${device.name}-pci`
    this.#interrupts = interrupts
    this.core = new VirtioCore(options, { used: (index) => this.#used(index), configChanged: () => this.#configChanged() })
    const queues = this.core.queues.length
    this.#queueVectors = new Uint16Array(queues).fill(spec.NO_VECTOR)
    this.#check = record<VirtioPciState>({
      isr: u8, configVector: u16, queueVectors: list(u16, queues, true), core: (value) => value as CoreState,
    })
    const notifyBytes = Math.max(spec.NOTIFY_LEAST, queues * spec.NOTIFY_MULTIPLIER)
    this.length = spec.NOTIFY_AT + notifyBytes
    this.capabilities = [
      { type: spec.CAP_COMMON_CFG, offset: spec.COMMON_AT, length: spec.COMMON_BYTES },
      { type: spec.CAP_NOTIFY_CFG, offset: spec.NOTIFY_AT, length: notifyBytes, extra: spec.NOTIFY_MULTIPLIER },
      { type: spec.CAP_ISR_CFG, offset: spec.ISR_AT, length: 4 },
      ...(device.config.length === 0 ? [] : [{ type: spec.CAP_DEVICE_CFG, offset: spec.DEVICE_AT, length: (device.config.length + 3) & ~3 }]),
    ]
  }

  #used(index: number): void {
    if (this.#interrupts.isMsix) this.#message(this.#queueVectors[index]!)
    else this.#setIsr(this.#isr | INTERRUPT_USED)
  }

  /** The bit for configuration is set with MSI-X too (4.1.4.5.1). */
  #configChanged(): void {
    this.#setIsr(this.#isr | INTERRUPT_CONFIG)
    if (this.#interrupts.isMsix) this.#message(this.#configVector)
  }

  #message(vector: number): void {
    if (vector !== spec.NO_VECTOR) this.#interrupts.message(vector)
  }

  #setIsr(value: number): void {
    this.#isr = value
    this.updatePin()
  }

  /** Drives INTx# as it must be; the owner calls this when MSI-X was switched. */
  updatePin(): void {
    this.#interrupts.pin.set(this.#isr !== 0 && !this.#interrupts.isMsix)
  }

  read(offset: number, size: AccessSize): number | IoFault {
    if (offset < spec.ISR_AT) return this.#readCommon(offset, size)
    if (offset < spec.DEVICE_AT) return this.#readIsr(offset - spec.ISR_AT)
    if (offset < spec.NOTIFY_AT) return this.core.readConfig(offset - spec.DEVICE_AT, size)
    return 'no-register'
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    // 4.1.4.4: every queue has an address of its own; the value says no more than that, or is a hint.
    if (offset >= spec.NOTIFY_AT) return void this.core.notify((offset - spec.NOTIFY_AT) >>> 2)
    if (offset >= spec.DEVICE_AT) return this.core.writeConfig(offset - spec.DEVICE_AT, size, value)
    return offset < spec.ISR_AT ? this.#writeCommon(offset, size, value) : 'no-register'
  }

  /** Reading clears it (4.1.4.5). */
  #readIsr(offset: number): number | IoFault {
    if (offset !== 0) return 'no-register'
    const isr = this.#isr
    this.#setIsr(0)
    return isr
  }

  #readCommon(offset: number, size: AccessSize): number | IoFault {
    const width = widthOf(offset)
    if (width !== size) return width === 0 ? 'no-register' : 'bad-size'
    const { core } = this
    const queue = core.selected
    switch (offset) {
      case spec.DEVICE_FEATURE_SELECT: return core.deviceFeatureSelect
      case spec.DEVICE_FEATURE: return core.readDeviceFeatures()
      case spec.DRIVER_FEATURE_SELECT: return core.driverFeatureSelect
      case spec.DRIVER_FEATURE: return core.readDriverFeatures()
      case spec.CONFIG_MSIX_VECTOR: return this.#configVector
      case spec.NUM_QUEUES: return core.queues.length
      case spec.DEVICE_STATUS: return core.status
      case spec.CONFIG_GENERATION: return core.generation
      case spec.QUEUE_SELECT: return core.queueSelect
      case spec.QUEUE_SIZE: return queue?.size ?? 0
      case spec.QUEUE_MSIX_VECTOR: return this.#queueVectors[core.queueSelect] ?? spec.NO_VECTOR
      case spec.QUEUE_ENABLE: return queue?.enabled === true ? 1 : 0
      case spec.QUEUE_NOTIFY_OFF: return queue ? core.queueSelect : 0
      case spec.QUEUE_NOTIF_CONFIG_DATA: return 0
      // A queue's reset is over in the write.
      case spec.QUEUE_RESET: return 0
      default: return queue?.halves[(offset - spec.QUEUE_DESC) >>> 2] ?? 0
    }
  }

  #writeCommon(offset: number, size: AccessSize, value: number): IoFault | undefined {
    const width = widthOf(offset)
    if (width !== size) return width === 0 ? 'no-register' : 'bad-size'
    const { core } = this
    switch (offset) {
      case spec.DEVICE_FEATURE_SELECT: core.deviceFeatureSelect = value; break
      case spec.DRIVER_FEATURE_SELECT: core.driverFeatureSelect = value; break
      case spec.DRIVER_FEATURE: core.writeDriverFeatures(value); break
      case spec.CONFIG_MSIX_VECTOR: this.#configVector = this.#vector(value); break
      case spec.DEVICE_STATUS: this.#writeStatus(value); break
      case spec.QUEUE_SELECT: core.queueSelect = value; break
      case spec.QUEUE_MSIX_VECTOR: if (core.selected) this.#queueVectors[core.queueSelect] = this.#vector(value); break
      // A 0 to queue_enable is not for drivers (4.1.4.3.2).
      case spec.QUEUE_ENABLE: if (value === 1) core.enableQueue(core.queueSelect); break
      case spec.QUEUE_RESET: if (value === 1 && core.has(VIRTIO_F_RING_RESET)) core.resetQueue(core.queueSelect); break
      default: this.#configure(core.selected, offset, value)
    }
    return undefined
  }

  /** Size and addresses: fixed while the queue is enabled. The rest is read-only. */
  #configure(queue: QueueRegisters | undefined, offset: number, value: number): void {
    if (queue?.enabled !== false) return
    if (offset === spec.QUEUE_SIZE) queue.size = value
    else if (offset >= spec.QUEUE_DESC && offset < spec.QUEUE_DEVICE_END) queue.halves[(offset - spec.QUEUE_DESC) >>> 2] = value
  }

  /** A vector there is none of reads back as none (4.1.5.1.2.1). */
  #vector(value: number): number {
    return value < this.#interrupts.vectors ? value : spec.NO_VECTOR
  }

  #writeStatus(value: number): void {
    this.core.writeStatus(value)
    if (value === 0) this.#resetInterrupts()
  }

  #resetInterrupts(): void {
    this.#configVector = spec.NO_VECTOR
    this.#queueVectors.fill(spec.NO_VECTOR)
    this.#setIsr(0)
  }

  reset(): void {
    this.core.reset()
    this.#resetInterrupts()
  }

  save(): VirtioPciState {
    return { isr: this.#isr, configVector: this.#configVector, queueVectors: [...this.#queueVectors], core: this.core.save() }
  }

  restore(state: VirtioPciState): void {
    const { isr, configVector, queueVectors, core } = this.#check(state, this.name)
    const before = { isr: this.#isr, configVector: this.#configVector, queueVectors: [...this.#queueVectors] }
    this.#take({ isr: isr & (INTERRUPT_USED | INTERRUPT_CONFIG), configVector: this.#vector(configVector), queueVectors: queueVectors.map((v) => this.#vector(v)) })
    try {
      this.core.restore(core)
    } catch (error) {
      this.#take(before)
      throw error
    }
    this.updatePin()
  }

  #take({ isr, configVector, queueVectors }: Omit<VirtioPciState, 'core'>): void {
    this.#isr = isr
    this.#configVector = configVector
    this.#queueVectors.set(queueVectors)
  }
}

/** Width of the field that starts at `offset` of the common configuration; 0 where none does. 64-bit ones are two (4.1.4). */
function widthOf(offset: number): number {
  if (offset === spec.DEVICE_STATUS || offset === spec.CONFIG_GENERATION) return 1
  if (offset < spec.CONFIG_MSIX_VECTOR || (offset >= spec.QUEUE_DESC && offset < spec.QUEUE_DEVICE_END)) return (offset & 3) === 0 ? 4 : 0
  return offset < spec.COMMON_BYTES && (offset & 1) === 0 ? 2 : 0
}

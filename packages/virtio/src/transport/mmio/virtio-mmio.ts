import type { AccessSize, BusDevice, InterruptLine, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { type Check, record, u8 } from '@entresol/kit/saved-state'
import { INTERRUPT_CONFIG, INTERRUPT_USED, VIRTIO_F_RING_RESET } from '../../spec.ts'
import { type CoreState, type TransportOptions, VirtioCore } from '../core.ts'
import * as spec from './spec.ts'

export interface VirtioMmioOptions extends TransportOptions {
  /** Level-triggered, asserted while an interrupt is not acknowledged. */
  readonly line: InterruptLine
}

export interface VirtioMmioState {
  interrupt: number
  core: CoreState
}

const checkState: Check<VirtioMmioState> = record<VirtioMmioState>({ interrupt: u8, core: (value) => value as CoreState })

/** Which half of which area a register holds. */
const HALVES: ReadonlyMap<number, number> = new Map([
  [spec.QUEUE_DESC_LOW, 0], [spec.QUEUE_DESC_HIGH, 1], [spec.QUEUE_DRIVER_LOW, 2], [spec.QUEUE_DRIVER_HIGH, 3],
  [spec.QUEUE_DEVICE_LOW, 4], [spec.QUEUE_DEVICE_HIGH, 5],
])

/** A virtio device over MMIO, version 2 (virtio 1.2, 4.2). */
export class VirtioMmio implements BusDevice, Snapshotable<VirtioMmioState>, Resettable {
  readonly name: string
  readonly length: number = spec.SLOT_LENGTH
  readonly snapshotVersion: number = 1
  readonly core: VirtioCore
  readonly #line: InterruptLine
  #interrupt = 0

  /** Throws `virtio-device`. */
  constructor(options: VirtioMmioOptions) {
    this.name = `${options.device.name}-mmio`
    this.#line = options.line
    const room = spec.SLOT_LENGTH - spec.CONFIG
    if (options.device.config.length > room) throw new CodedError('virtio-device', `${options.device.name}: more than ${room} bytes of configuration`)
    this.core = new VirtioCore(options, { used: () => this.#raise(INTERRUPT_USED), configChanged: () => this.#raise(INTERRUPT_CONFIG) })
  }

  #raise(cause: number): void {
    this.#interrupt |= cause
    this.#line.set(true)
  }

  /** Control registers are 32 bits wide and aligned (4.2.2.2); configuration space is as the device's fields are. */
  read(offset: number, size: AccessSize): number | IoFault {
    if (offset >= spec.CONFIG) return this.core.readConfig(offset - spec.CONFIG, size)
    if (size !== 4) return 'bad-size'
    if ((offset & 3) !== 0) return 'unaligned'
    const { core } = this
    switch (offset) {
      case spec.MAGIC_VALUE: return spec.MAGIC
      case spec.VERSION: return spec.VERSION_2
      case spec.DEVICE_ID: return core.device.deviceId
      case spec.VENDOR_ID: return spec.VENDOR
      case spec.DEVICE_FEATURES: return core.readDeviceFeatures()
      case spec.QUEUE_NUM_MAX: return core.selected?.maximum ?? 0
      case spec.QUEUE_READY: return core.selected?.enabled === true ? 1 : 0
      case spec.INTERRUPT_STATUS: return this.#interrupt
      case spec.STATUS: return core.status
      // 2.10: there are no shared memory regions.
      case spec.SHM_LEN_LOW: case spec.SHM_LEN_HIGH: case spec.SHM_BASE_LOW: case spec.SHM_BASE_HIGH: return spec.NO_REGION
      // A queue's reset is over in the write.
      case spec.QUEUE_RESET: return 0
      case spec.CONFIG_GENERATION: return core.generation
      default: return 'no-register'
    }
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset >= spec.CONFIG) return this.core.writeConfig(offset - spec.CONFIG, size, value)
    if (size !== 4) return 'bad-size'
    if ((offset & 3) !== 0) return 'unaligned'
    const { core } = this
    switch (offset) {
      case spec.DEVICE_FEATURES_SEL: core.deviceFeatureSelect = value; break
      case spec.DRIVER_FEATURES: core.writeDriverFeatures(value); break
      case spec.DRIVER_FEATURES_SEL: core.driverFeatureSelect = value; break
      case spec.QUEUE_SEL: core.queueSelect = value & 0xffff; break
      case spec.QUEUE_NUM: this.#configure((queue) => { queue.size = value & 0xffff }); break
      case spec.QUEUE_READY: if (value === 1) core.enableQueue(core.queueSelect); else core.resetQueue(core.queueSelect); break
      // The index is in the low half with NOTIFICATION_DATA too (4.2.3.3).
      case spec.QUEUE_NOTIFY: core.notify(value & 0xffff); break
      case spec.INTERRUPT_ACK: this.#acknowledge(value); break
      case spec.STATUS: this.#writeStatus(value & 0xff); break
      case spec.SHM_SEL: break
      case spec.QUEUE_RESET: if (value === 1 && core.has(VIRTIO_F_RING_RESET)) core.resetQueue(core.queueSelect); break
      default: return this.#writeHalf(offset, value)
    }
    return undefined
  }

  #writeHalf(offset: number, value: number): IoFault | undefined {
    const half = HALVES.get(offset)
    if (half === undefined) return 'no-register'
    this.#configure((queue) => { queue.halves[half] = value })
    return undefined
  }

  /** Registers of a queue are fixed while it is ready. */
  #configure(change: (queue: NonNullable<VirtioCore['selected']>) => void): void {
    const queue = this.core.selected
    if (queue?.enabled === false) change(queue)
  }

  #acknowledge(causes: number): void {
    this.#interrupt &= ~causes
    this.#line.set(this.#interrupt !== 0)
  }

  #writeStatus(value: number): void {
    this.core.writeStatus(value)
    if (value === 0) this.#acknowledge(0xff)
  }

  reset(): void {
    this.core.reset()
    this.#acknowledge(0xff)
  }

  save(): VirtioMmioState {
    return { interrupt: this.#interrupt, core: this.core.save() }
  }

  restore(state: VirtioMmioState): void {
    const { interrupt, core } = checkState(state, this.name)
    const before = this.#interrupt
    this.#interrupt = interrupt & (INTERRUPT_USED | INTERRUPT_CONFIG)
    try {
      this.core.restore(core)
    } catch (error) {
      this.#interrupt = before
      throw error
    }
    this.#line.set(this.#interrupt !== 0)
  }
}

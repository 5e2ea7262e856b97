import type { AccessSize, Resettable, Snapshotable } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { BaseAddressRegister, type PciBarOptions } from './bars.ts'
import { ConfigSpace } from './config-space.ts'
import type { PciSlot } from './pci-bus.ts'
import * as spec from './spec.ts'
import { checkPciDeviceState, PCI_DEVICE_STATE_VERSION, type PciDeviceState } from './state.ts'

export interface PciDeviceOptions {
  /** Kebab-case, unique on the board. */
  readonly name: string
  readonly vendorId: number
  readonly deviceId: number
  /** Base class, sub-class and programming interface in bits 23..16, 15..8, 7..0. */
  readonly classCode: number
  readonly revision?: number
  readonly subsystemVendorId?: number
  readonly subsystemId?: number
  /** 1..4 for INTA#..INTD#, 0 (default) for none. */
  readonly interruptPin?: 0 | 1 | 2 | 3 | 4
  /** Set on function 0 of a device with more functions. */
  readonly multifunction?: boolean
  /** Gives the function 4 KiB of configuration space, reached through ECAM. */
  readonly extended?: boolean
}

/**
 * One PCI function with a type 0 header. Use it as it is, with BARs and capabilities added, or extend it: override
 * `configWritten` to follow device-specific registers defined with `config.define`.
 */
export class PciDevice implements Snapshotable<PciDeviceState>, Resettable {
  readonly name: string
  readonly snapshotVersion: number = PCI_DEVICE_STATE_VERSION
  readonly config: ConfigSpace
  readonly #bars: (BaseAddressRegister | undefined)[] = []
  readonly #listeners: (() => void)[] = []
  #slot: PciSlot | undefined
  #nextCapability: number = spec.PCI_HEADER_END
  #lastCapability: number = spec.PCI_CAPABILITIES
  #interrupt = false
  #driven = false

  constructor(options: PciDeviceOptions) {
    this.name = options.name
    const config = new ConfigSpace(options.extended === true ? spec.PCIE_CONFIG_SIZE : spec.PCI_CONFIG_SIZE)
    this.config = config
    config.define(spec.PCI_VENDOR_ID, 2, options.vendorId)
    config.define(spec.PCI_DEVICE_ID, 2, options.deviceId)
    config.define(spec.PCI_COMMAND, 2, 0, spec.COMMAND_WRITABLE)
    config.define(spec.PCI_STATUS, 2, 0, 0, spec.STATUS_RW1C)
    config.markVolatile(spec.PCI_STATUS, 1)
    config.define(spec.PCI_REVISION_ID, 1, options.revision ?? 0)
    config.define(spec.PCI_CLASS_CODE, 3, options.classCode)
    config.define(spec.PCI_CACHE_LINE_SIZE, 1, 0, 0xff)
    config.define(spec.PCI_LATENCY_TIMER, 1, 0, 0xf8)
    config.define(spec.PCI_HEADER_TYPE, 1, options.multifunction === true ? spec.HEADER_MULTIFUNCTION : 0)
    config.define(spec.PCI_SUBSYSTEM_VENDOR_ID, 2, options.subsystemVendorId ?? 0)
    config.define(spec.PCI_SUBSYSTEM_ID, 2, options.subsystemId ?? 0)
    config.define(spec.PCI_INTERRUPT_LINE, 1, 0, (options.interruptPin ?? 0) === 0 ? 0 : 0xff)
    config.define(spec.PCI_INTERRUPT_PIN, 1, options.interruptPin ?? 0)
  }

  /** Defines BAR `index` (0..5; 6 is the expansion ROM). A 64-bit BAR takes two indices. Returns it: `base` says where it is decoded. */
  addBar(index: number, options: PciBarOptions): BaseAddressRegister {
    const bar = new BaseAddressRegister(this.config, index, options)
    this.#bars[index] = bar
    return bar
  }

  /**
   * Appends a capability of `length` bytes (ID and next pointer included) to the list (6.7) and returns its offset; the caller
   * defines the registers behind the two first bytes. Throws `pci-config-full`.
   */
  addCapability(id: number, length: number): number {
    const offset = this.#nextCapability
    if (offset + length > spec.PCI_CONFIG_SIZE) throw new CodedError('pci-config-full', `${this.name}: no room for capability ${id}`)
    this.config.define(offset, 2, id)
    this.config.define(this.#lastCapability, 1, offset)
    this.config.define(spec.PCI_STATUS, 2, spec.STATUS_CAPABILITIES, 0, spec.STATUS_RW1C)
    this.#lastCapability = offset + 1
    this.#nextCapability = (offset + length + 3) & ~3
    return offset
  }

  /** First offset `addCapability` may use, for functions with registers of their own behind the header. */
  reserveConfig(end: number): void {
    this.#nextCapability = Math.max(this.#nextCapability, end)
  }

  /** Called after every write to configuration space, after reset and after restore. */
  onConfigChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** Command register enables the function to write memory itself (DMA, MSI). */
  get busMaster(): boolean {
    return (this.config.bytes[spec.PCI_COMMAND] & spec.COMMAND_BUS_MASTER) !== 0
  }

  /** The level of the function's INTx# pin before the command register's disable bit. Idempotent. */
  setInterrupt(asserted: boolean): void {
    this.#interrupt = asserted
    this.#updateInterrupt()
  }

  /** A configuration read as the bus does it: inside the space, not necessarily aligned. Override for registers with read effects. */
  readConfig(offset: number, size: AccessSize): number {
    return this.config.read(offset, size)
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    this.config.write(offset, size, value)
    this.#changed()
    this.configWritten(offset, size)
  }

  /** For subclasses: follow the registers just written. */
  protected configWritten(_offset: number, _size: AccessSize): void {}

  /** The bus gives the function its place. */
  attached(slot: PciSlot | undefined): void {
    for (const bar of this.#bars) bar?.release()
    this.#slot = slot
    this.#changed()
  }

  /** Maps BARs that want to be elsewhere; false when one must wait for other addresses to become free. */
  updateBars(): boolean {
    let done = true
    const slot = this.#slot
    if (slot !== undefined) for (const bar of this.#bars) if (bar?.update(this.config, slot.ports, slot.memory) === false) done = false
    return done
  }

  reset(): void {
    this.config.reset()
    this.#interrupt = false
    this.#changed()
  }

  save(): PciDeviceState {
    return { config: this.config.bytes.slice(), interrupt: this.#interrupt }
  }

  restore(state: PciDeviceState): void {
    const checked = checkPciDeviceState(this.config.length)(state, this.name)
    // Identity and structure come from the board, not from the stream.
    for (let offset = 0; offset < this.config.length; offset++) {
      if (this.config.isFixed(offset) && checked.config[offset] !== this.config.bytes[offset]) {
        throw new CodedError('bad-snapshot', `${this.name}: configuration byte 0x${offset.toString(16)} differs from this device's`)
      }
    }
    this.config.bytes.set(checked.config)
    this.#interrupt = checked.interrupt
    this.#changed()
  }

  #changed(): void {
    if (this.#slot !== undefined) this.#slot.moved()
    this.#updateInterrupt()
    for (const listener of this.#listeners) listener()
  }

  #updateInterrupt(): void {
    const config = this.config
    const status = config.bytes[spec.PCI_STATUS]
    config.bytes[spec.PCI_STATUS] = this.#interrupt ? status | spec.STATUS_INTERRUPT : status & ~spec.STATUS_INTERRUPT
    const pin = config.bytes[spec.PCI_INTERRUPT_PIN]
    const level = this.#interrupt && pin !== 0 && (config.read(spec.PCI_COMMAND, 2) & spec.COMMAND_INTX_DISABLE) === 0
    if (level === this.#driven || this.#slot === undefined) return
    this.#driven = level
    this.#slot.setPin(pin - 1, level)
  }
}

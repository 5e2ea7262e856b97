import type { AccessSize, BusDevice, Clock, GuestMemory, IoFault, NetworkPort, Resettable, Snapshotable } from '@entresol/interfaces'
import { Alarm } from '../core/alarm.ts'
import { Microwire } from '../nic/microwire.ts'
import { PciDevice } from '../pci/pci-device.ts'
import { Phy } from './phy.ts'
import { Receiver } from './receive.ts'
import { E1000Registers } from './registers.ts'
import * as spec from './spec.ts'
import { checkE1000State, E1000_STATE_VERSION } from './state.ts'
import type { E1000State } from './state.ts'
import { Transmitter } from './transmit.ts'

export interface E1000Options {
  /** Kebab-case, unique on the board; default `e1000`. */
  readonly name?: string
  /** Six bytes. */
  readonly mac: Uint8Array
  readonly port: NetworkPort
  readonly memory: GuestMemory
  readonly clock: Clock
  /** Set on function 0 of a slot with more functions. */
  readonly multifunction?: boolean
}

/** 5.6: what the EEPROM holds. */
function eepromWords(mac: Uint8Array): Uint16Array {
  const words = new Uint16Array(spec.EEPROM_WORDS)
  for (let index = 0; index < 3; index++) words[index] = mac[2 * index]! | mac[2 * index + 1]! << 8
  words[spec.EEPROM_INIT_CONTROL_1] = spec.EEPROM_INIT_CONTROL_1_VALUE
  words[spec.EEPROM_SUBSYSTEM_ID] = spec.SUBSYSTEM_ID
  words[spec.EEPROM_SUBSYSTEM_VENDOR] = words[spec.EEPROM_VENDOR_ID] = spec.VENDOR_ID
  words[spec.EEPROM_DEVICE_ID] = spec.DEVICE_ID
  words[spec.EEPROM_CHECKSUM] = spec.EEPROM_SUM - words.reduce((sum, word) => sum + word, 0)
  return words
}

/** An Intel 82540EM gigabit adapter ("e1000"): a PCI function, plugged in as `pci`. */
export class E1000 implements Resettable, Snapshotable<E1000State> {
  readonly snapshotVersion: number = E1000_STATE_VERSION
  readonly pci: PciDevice
  /** BAR 0, the registers. */
  readonly registers: BusDevice
  /** BAR 2, the same through an address and a data port (13.2.2). */
  readonly ports: BusDevice
  readonly #mac: Uint8Array
  readonly #port: NetworkPort
  readonly #clock: Clock
  readonly #r = new E1000Registers()
  readonly #phy = new Phy()
  readonly #words: Uint16Array
  readonly #eeprom: Microwire
  readonly #receiver: Receiver
  readonly #transmitter: Transmitter
  /** More descriptors wait for the transmitter. */
  readonly #moreToSend: Alarm
  /** ITR holds an interrupt back. */
  readonly #throttle: Alarm
  #ioAddress = 0
  #lastInterrupt = -Infinity
  #asserted = false
  #sending = false

  constructor(options: E1000Options) {
    const name = options.name ?? 'e1000'
    this.#mac = options.mac.slice()
    this.#port = options.port
    this.#clock = options.clock
    this.#words = eepromWords(options.mac)
    this.#eeprom = new Microwire(this.#words)
    this.#receiver = new Receiver(options.memory, this.#r)
    this.#transmitter = new Transmitter(options.memory, this.#r, (frame) => this.#port.send(frame))
    this.#moreToSend = new Alarm(options.clock, () => this.#transmit())
    this.#throttle = new Alarm(options.clock, () => this.#updateInterrupt())
    this.registers = {
      name, length: spec.MMIO_LENGTH,
      read: (offset, size) => this.#readMmio(offset, size), write: (offset, size, value) => this.#writeMmio(offset, size, value)
    }
    this.ports = {
      name: `${name}-io`, length: spec.IO_LENGTH,
      read: (offset, size) => this.#readPort(offset, size), write: (offset, size, value) => this.#writePort(offset, size, value)
    }
    this.pci = new PciDevice({
      name, vendorId: spec.VENDOR_ID, deviceId: spec.DEVICE_ID, classCode: spec.CLASS_CODE, revision: spec.REVISION, interruptPin: 1,
      multifunction: options.multifunction ?? false, subsystemVendorId: spec.VENDOR_ID, subsystemId: spec.SUBSYSTEM_ID
    })
    this.pci.addBar(0, { kind: 'memory', device: this.registers })
    this.pci.addBar(2, { kind: 'io', device: this.ports })
    this.#resetDevice()
    // Bus mastering may have been switched on.
    this.pci.onConfigChange(() => this.#kick())
    this.#port.onReceive((frame) => this.#receive(frame), { checksum: false, tso4: false, tso6: false, uso: false })
    this.#port.onLinkChange(() => this.#linkChanged())
  }

  reset(): void {
    this.pci.reset()
    this.#ioAddress = 0
    this.#resetDevice()
  }

  save(): E1000State {
    return {
      pci: this.pci.save(), registers: this.#r.save(), phy: [...this.#phy.registers], eeprom: this.#eeprom.save(), ioAddress: this.#ioAddress,
      transmit: this.#transmitter.save(), lastInterrupt: Math.max(this.#lastInterrupt, -1), asserted: this.#asserted
    }
  }

  restore(state: E1000State): void {
    const s = checkE1000State(state, this.pci.name)
    this.pci.restore(s.pci)
    this.#r.restore(s.registers)
    this.#phy.registers = s.phy
    this.#eeprom.restore(s.eeprom)
    this.#ioAddress = s.ioAddress
    this.#transmitter.restore(s.transmit)
    this.#lastInterrupt = s.lastInterrupt
    this.#asserted = s.asserted
    this.pci.setInterrupt(s.asserted)
    this.#updateInterrupt()
    this.#kick()
  }

  #readMmio(offset: number, size: AccessSize): number | IoFault {
    if (size !== 4) return 'bad-size'
    if ((offset & 3) !== 0) return 'unaligned'
    return offset < spec.REGISTERS_END ? this.#read(offset) : 'no-register'
  }

  #writeMmio(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4) return 'bad-size'
    if ((offset & 3) !== 0) return 'unaligned'
    if (offset >= spec.REGISTERS_END) return 'no-register'
    this.#write(offset, value)
    return undefined
  }

  #readPort(offset: number, size: AccessSize): number | IoFault {
    if (size !== 4) return 'bad-size'
    if (offset === spec.IOADDR) return this.#ioAddress
    return offset === spec.IODATA ? this.#readMmio(this.#ioAddress, 4) : 'no-register'
  }

  #writePort(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4) return 'bad-size'
    if (offset === spec.IOADDR) this.#ioAddress = value
    else return offset === spec.IODATA ? this.#writeMmio(this.#ioAddress, 4, value) : 'no-register'
    return undefined
  }

  #read(offset: number): number {
    const r = this.#r
    if (offset === spec.ICR) {
      const causes = r.get(spec.ICR)
      r.set(spec.ICR, 0)
      this.#updateInterrupt()
      return causes
    }
    if (offset === spec.EECD) return this.#readEecd()
    if (offset === spec.CTRL_DUP) return r.get(spec.CTRL)
    const value = r.get(offset)
    if (offset >= spec.STATISTICS && offset < spec.STATISTICS + 4 * spec.STATISTICS_WORDS) r.set(offset, 0)
    return value
  }

  #write(offset: number, value: number): void {
    const r = this.#r
    switch (offset) {
      case spec.CTRL:
      case spec.CTRL_DUP: return this.#writeControl(value)
      case spec.EECD:
        r.write(spec.EECD, value)
        return this.#eeprom.drive((value & spec.EECD_CS) !== 0, (value & spec.EECD_SK) !== 0, (value & spec.EECD_DI) !== 0)
      case spec.EERD: return this.#readWord(value)
      case spec.MDIC: return this.#writeMdic(value)
      case spec.ICR:
        r.set(spec.ICR, r.get(spec.ICR) & ~value)
        return this.#updateInterrupt()
      case spec.ICS: return this.#raise(value & spec.CAUSES)
      case spec.IMS:
        r.set(spec.IMS, r.get(spec.IMS) | value & spec.CAUSES)
        return this.#updateInterrupt()
      case spec.IMC:
        r.set(spec.IMS, r.get(spec.IMS) & ~value)
        return this.#updateInterrupt()
      case spec.ITR:
        r.write(offset, value)
        return this.#updateInterrupt()
      case spec.RDT:
      case spec.RCTL:
      case spec.TDT:
      case spec.TCTL:
        r.write(offset, value)
        return this.#kick()
      default: r.write(offset, value)
    }
  }

  #writeControl(value: number): void {
    if ((value & spec.CTRL_RST) !== 0) return this.#resetDevice()
    if ((value & spec.CTRL_PHY_RST) !== 0) this.#phy.reset()
    this.#r.write(spec.CTRL, value)
    this.#linkChanged()
  }

  #readEecd(): number {
    const value = this.#r.get(spec.EECD)
    return value | spec.EECD_PRES | (value & spec.EECD_REQ ? spec.EECD_GNT : 0) | (this.#eeprom.dataOut ? spec.EECD_DO : 0)
  }

  #readWord(value: number): void {
    if ((value & spec.EERD_START) === 0) return
    const address = value >>> spec.EERD_ADDRESS_SHIFT & 0xff
    const data = this.#words[address] ?? 0xffff
    this.#r.set(spec.EERD, data << spec.EERD_DATA_SHIFT | address << spec.EERD_ADDRESS_SHIFT | spec.EERD_DONE)
  }

  #writeMdic(value: number): void {
    const register = value >>> spec.MDIC_REGISTER_SHIFT & 31
    const operation = value & spec.MDIC_OP_MASK
    let result = value & ~(spec.MDIC_READY | spec.MDIC_ERROR) | spec.MDIC_READY
    if ((value >>> spec.MDIC_PHY_SHIFT & 31) !== spec.PHY_ADDRESS) result |= spec.MDIC_ERROR
    else if (operation === spec.MDIC_READ) result = result & ~0xffff | this.#phy.read(register, this.#port.linkUp)
    else if (operation === spec.MDIC_WRITE && this.#phy.write(register, value & 0xffff)) this.#raise(spec.CAUSE_LSC)
    this.#r.set(spec.MDIC, result)
    if ((value & spec.MDIC_INTERRUPT) !== 0) this.#raise(spec.CAUSE_MDAC)
  }

  #resetDevice(): void {
    this.#moreToSend.cancel()
    this.#throttle.cancel()
    this.#r.reset(this.#mac)
    this.#phy.reset()
    this.#eeprom.drive(false, false, false)
    this.#transmitter.reset()
    this.#lastInterrupt = -Infinity
    this.#setLinkBit()
    this.#updateInterrupt()
  }

  /** True when it differs from what STATUS showed. */
  #setLinkBit(): boolean {
    const r = this.#r
    const before = r.get(spec.STATUS)
    const up = this.#port.linkUp && r.has(spec.CTRL, spec.CTRL_SLU)
    r.set(spec.STATUS, up ? before | spec.STATUS_LU : before & ~spec.STATUS_LU)
    return before !== r.get(spec.STATUS)
  }

  #linkChanged(): void {
    if (this.#setLinkBit()) this.#raise(spec.CAUSE_LSC)
  }

  /** Goes on with what could not be done before. */
  #kick(): void {
    this.#transmit()
    if (this.pci.busMaster && this.#r.has(spec.RCTL, spec.RCTL_EN)) this.#port.resume()
  }

  #transmit(): void {
    // What is sent may come back as an answer and a doorbell at once; the loop under way sees the new tail.
    if (this.#sending || !this.pci.busMaster) return
    this.#sending = true
    try {
      const { causes, more } = this.#transmitter.run()
      if (more) this.#moreToSend.set(this.#clock.now())
      if (causes !== 0) this.#raise(causes)
    } finally {
      this.#sending = false
    }
  }

  #receive(frame: Uint8Array): boolean {
    if (!this.pci.busMaster || !this.#r.has(spec.RCTL, spec.RCTL_EN) || !this.#r.has(spec.STATUS, spec.STATUS_LU)) return true
    const result = this.#receiver.receive(frame)
    if (result === 'taken') this.#raise(spec.CAUSE_RXT0 | (this.#receiver.belowThreshold ? spec.CAUSE_RXDMT0 : 0))
    return result !== 'no-room'
  }

  #raise(causes: number): void {
    this.#r.set(spec.ICR, this.#r.get(spec.ICR) | causes)
    this.#updateInterrupt()
  }

  /** The pin follows the causes that are not masked; ITR keeps its rising edges apart (13.4.18). */
  #updateInterrupt(): void {
    const wanted = (this.#r.get(spec.ICR) & this.#r.get(spec.IMS)) !== 0
    if (wanted && !this.#asserted) {
      const earliest = this.#lastInterrupt + this.#r.get(spec.ITR) * spec.ITR_UNIT
      if (this.#clock.now() < earliest) return this.#throttle.set(earliest)
      this.#lastInterrupt = this.#clock.now()
    }
    this.#throttle.cancel()
    this.#asserted = wanted
    this.pci.setInterrupt(wanted)
  }
}

import type { AccessSize, BusDevice, Clock, Gpa, GuestMemory, IoFault, NetworkPort, Resettable, Snapshotable } from '@entresol/interfaces'
import { Alarm } from '../core/alarm.ts'
import { dmaAddress } from '../nic/dma.ts'
import { Microwire } from '../nic/microwire.ts'
import { PciDevice } from '../pci/pci-device.ts'
import { Receiver } from './receive.ts'
import { Rtl8139Registers } from './registers.ts'
import * as spec from './spec.ts'
import { checkRtl8139State, RTL8139_STATE_VERSION } from './state.ts'
import type { Rtl8139State, TallyState } from './state.ts'
import { LegacyTransmitter, RingTransmitter } from './transmit.ts'

export interface Rtl8139Options {
  /** Kebab-case, unique on the board; default `rtl8139`. */
  readonly name?: string
  /** Six bytes. */
  readonly mac: Uint8Array
  readonly port: NetworkPort
  readonly memory: GuestMemory
  readonly clock: Clock
  /** Set on function 0 of a slot with more functions. */
  readonly multifunction?: boolean
}

function eepromWords(mac: Uint8Array): Uint16Array {
  const words = new Uint16Array(spec.EEPROM_WORDS)
  words.set([spec.EEPROM_SIGNATURE, spec.VENDOR_ID, spec.DEVICE_ID, spec.VENDOR_ID, spec.DEVICE_ID])
  for (let index = 0; index < 3; index++) words[spec.EEPROM_MAC + index] = mac[2 * index]! | mac[2 * index + 1]! << 8
  return words
}

const NOTHING_COUNTED: TallyState = { transmitted: 0, received: 0, receivedUnicast: 0, receivedBroadcast: 0, receivedMulticast: 0 }
/** TCTR counts the PCI clock of 33 MHz (6.13). */
const NS_PER_TICK = 30

/** A Realtek RTL8139C+ fast Ethernet adapter, in C mode as in C+ mode: a PCI function, plugged in as `pci`. */
export class Rtl8139 implements Resettable, Snapshotable<Rtl8139State> {
  readonly snapshotVersion: number = RTL8139_STATE_VERSION
  readonly pci: PciDevice
  /** BAR 0 and BAR 1: the registers in ports, and in memory. */
  readonly ports: BusDevice
  readonly registers: BusDevice
  readonly #mac: Uint8Array
  readonly #port: NetworkPort
  readonly #memory: GuestMemory
  readonly #clock: Clock
  readonly #r = new Rtl8139Registers()
  readonly #eeprom: Microwire
  readonly #tally: TallyState = { ...NOTHING_COUNTED }
  readonly #receiver: Receiver
  readonly #legacy: LegacyTransmitter
  readonly #normal: RingTransmitter
  readonly #high: RingTransmitter
  /** More descriptors wait for the transmitters. */
  readonly #moreToSend: Alarm
  #timerBase = 0
  #sending = false

  constructor(options: Rtl8139Options) {
    const name = options.name ?? 'rtl8139'
    const { memory, clock, port } = options
    this.#mac = options.mac.slice()
    this.#port = port
    this.#memory = memory
    this.#clock = clock
    this.#eeprom = new Microwire(eepromWords(options.mac))
    this.#receiver = new Receiver(memory, this.#r, this.#tally)
    const send = (frame: Uint8Array): void => {
      this.#tally.transmitted++
      port.send(frame)
    }
    this.#legacy = new LegacyTransmitter(memory, this.#r, send)
    this.#normal = new RingTransmitter(memory, this.#r, spec.TNPDS, send)
    this.#high = new RingTransmitter(memory, this.#r, spec.THPDS, send)
    this.#moreToSend = new Alarm(clock, () => this.#transmitRings())
    const window = (windowName: string): BusDevice => ({
      name: windowName, length: spec.LENGTH,
      read: (offset, size) => this.#read(offset, size), write: (offset, size, value) => this.#write(offset, size, value)
    })
    this.ports = window(`${name}-io`)
    this.registers = window(name)
    this.pci = new PciDevice({
      name, vendorId: spec.VENDOR_ID, deviceId: spec.DEVICE_ID, classCode: spec.CLASS_CODE, revision: spec.REVISION, interruptPin: 1,
      multifunction: options.multifunction ?? false, subsystemVendorId: spec.VENDOR_ID, subsystemId: spec.DEVICE_ID
    })
    this.pci.addBar(0, { kind: 'io', device: this.ports })
    this.pci.addBar(1, { kind: 'memory', device: this.registers })
    this.#powerOn()
    // Bus mastering may have been switched on.
    this.pci.onConfigChange(() => this.#kick())
    port.onReceive((frame) => this.#receive(frame), { checksum: false, tso4: false, tso6: false, uso: false })
    port.onLinkChange(() => this.#raise(spec.INT_LINK_CHANGE))
  }

  reset(): void {
    this.pci.reset()
    this.#powerOn()
  }

  save(): Rtl8139State {
    return {
      pci: this.pci.save(), registers: this.#r.bytes.slice(), eeprom: this.#eeprom.save(), legacyIndex: this.#legacy.index,
      normal: this.#normal.save(), high: this.#high.save(), receiveIndex: this.#receiver.index, tally: { ...this.#tally }, timerBase: this.#timerBase
    }
  }

  restore(state: Rtl8139State): void {
    const s = checkRtl8139State(state, this.pci.name)
    this.pci.restore(s.pci)
    this.#r.bytes.set(s.registers)
    this.#eeprom.restore(s.eeprom)
    this.#legacy.index = s.legacyIndex
    this.#normal.restore(s.normal)
    this.#high.restore(s.high)
    this.#receiver.index = s.receiveIndex
    Object.assign(this.#tally, s.tally)
    this.#timerBase = s.timerBase
    this.#updateInterrupt()
    this.#kick()
  }

  #read(offset: number, size: AccessSize): number | IoFault {
    let value = 0
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.#readByte(offset + index)
    return value
  }

  #readByte(offset: number): number {
    const r = this.#r
    const value = r.get8(offset)
    switch (offset) {
      case spec.CR: return value | (this.#receiver.ringUsed === 0 ? spec.CR_BUFE : 0)
      case spec.CR9346: return value & ~spec.CR9346_EEDO | (this.#eeprom.dataOut ? spec.CR9346_EEDO : 0)
      case spec.MSR: return value | (this.#port.linkUp ? 0 : spec.MSR_LINKB)
      case spec.BMSR: return value | (this.#port.linkUp ? spec.BMSR_LINK | spec.BMSR_NEGOTIATED : 0)
      case spec.TCTR:
      case spec.TCTR + 1:
      case spec.TCTR + 2:
      case spec.TCTR + 3: return Math.floor((this.#clock.now() - this.#timerBase) / NS_PER_TICK / 2 ** (8 * (offset - spec.TCTR))) & 0xff
      case spec.TSAD:
      case spec.TSAD + 1: return this.#statusOfAll(offset === spec.TSAD ? [spec.TSD_OWN, spec.TSD_TABT] : [spec.TSD_TUN, spec.TSD_TOK])
      default: return value
    }
  }

  /** 6.20: a bit of each of the four descriptors, four bits for each of `bits`. */
  #statusOfAll(bits: readonly number[]): number {
    let value = 0
    bits.forEach((bit, place) => {
      for (let index = 0; index < spec.LEGACY_DESCRIPTORS; index++) {
        if ((this.#r.get32(spec.TSD0 + 4 * index) & bit) !== 0) value |= 1 << (4 * place + index)
      }
    })
    return value
  }

  #write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    for (let index = 0; index < size; index++) this.#writeByte(offset + index, value >>> (8 * index) & 0xff)
    const r = this.#r
    const last = offset + size - 1
    const touches = (register: number, length: number): boolean => offset < register + length && last >= register
    if (touches(spec.IMR, 4)) {
      this.#updateInterrupt()
      // Drivers of C+ mode give receive descriptors back without saying so; here they tell that they have been at work.
      this.#resume()
    }
    if (touches(spec.CAPR, 2) || touches(spec.RCR, 4)) this.#resume()
    if (touches(spec.TSD0, 16) || touches(spec.CR, 1)) this.#kick()
    if (touches(spec.DTCCR, 1) && r.has(spec.DTCCR, spec.DTCCR_DUMP) && this.#plusTransmit) this.#dumpTally()
    if (touches(spec.TCTR, 4)) this.#timerBase = Math.floor(this.#clock.now())
    return undefined
  }

  #writeByte(offset: number, value: number): void {
    const r = this.#r
    if (this.#plusTransmit && offset >= spec.DTCCR && offset < spec.DTCCR + 8) r.bytes[offset] = value
    else switch (offset) {
      case spec.CR:
        return (value & spec.CR_RST) !== 0 ? this.#resetChip() : r.write(offset, value)
      case spec.ISR:
      case spec.ISR + 1:
        r.bytes[offset]! &= ~value
        return
      case spec.CR9346: return this.#write9346(value)
      case spec.BMCR + 1: {
        // Reset and the restart of negotiation end at once.
        if ((value & spec.BMCR_RESET >> 8) !== 0) r.set16(spec.BMCR, 0x1100)
        else r.write(offset, value)
        if ((value & (spec.BMCR_RESET | spec.BMCR_RESTART) >> 8) !== 0) this.#raise(spec.INT_LINK_CHANGE)
        return
      }
      case spec.TPPOLL:
        if ((value & spec.TPPOLL_FSWINT) !== 0) this.#raise(spec.INT_SOFTWARE)
        if ((value & (spec.TPPOLL_NPQ | spec.TPPOLL_HPQ)) !== 0) this.#transmitRings()
        return
      default: r.write(offset, value)
    }
  }

  #write9346(value: number): void {
    this.#r.write(spec.CR9346, value)
    const mode = value & spec.CR9346_MODE
    if (mode === spec.CR9346_AUTOLOAD) {
      this.#r.bytes.set(this.#mac, spec.IDR0)
      this.#r.write(spec.CR9346, 0)
    }
    const pin = (bit: number): boolean => mode === spec.CR9346_PROGRAM && (value & bit) !== 0
    this.#eeprom.drive(pin(spec.CR9346_EECS), pin(spec.CR9346_EESK), pin(spec.CR9346_EEDI))
  }

  #powerOn(): void {
    this.#r.bytes.set(this.#mac, spec.IDR0)
    this.#r.bytes.fill(0, spec.MAR0, spec.MAR0 + 8)
    this.#eeprom.drive(false, false, false)
    Object.assign(this.#tally, NOTHING_COUNTED)
    this.#timerBase = 0
    this.#resetChip()
  }

  #resetChip(): void {
    this.#r.reset()
    this.#moreToSend.cancel()
    this.#legacy.index = this.#receiver.index = 0
    this.#normal.reset()
    this.#high.reset()
    this.#updateInterrupt()
  }

  #kick(): void {
    this.#transmitLegacy()
    this.#resume()
  }

  #resume(): void {
    if (this.#receiving) this.#port.resume()
  }

  get #receiving(): boolean {
    return this.pci.busMaster && this.#r.has(spec.CR, spec.CR_RE)
  }

  /** Transmission is in C+ mode. */
  get #plusTransmit(): boolean {
    return this.#r.has(spec.CPCR, spec.CPCR_TX)
  }

  #transmitLegacy(): void {
    if (this.#sending || !this.pci.busMaster || !this.#r.has(spec.CR, spec.CR_TE) || this.#plusTransmit) return
    this.#sending = true
    try {
      const causes = this.#legacy.run()
      if (causes !== 0) this.#raise(causes)
    } finally {
      this.#sending = false
    }
  }

  /** The ring of high priority goes first (9.2.1). */
  #transmitRings(): void {
    const r = this.#r
    // An answer that rings the doorbell while something is being sent is served afterwards.
    if (this.#sending) return this.#moreToSend.set(this.#clock.now())
    if (!this.pci.busMaster || !r.has(spec.CR, spec.CR_TE) || !this.#plusTransmit) return
    this.#sending = true
    try {
      for (const [ring, base] of [[this.#high, spec.THPDS], [this.#normal, spec.TNPDS]] as const) {
        // A ring at zero is not there.
        if (r.get32(base) === 0 && r.get32(base + 4) === 0) continue
        const { causes, more } = ring.run()
        if (more) this.#moreToSend.set(this.#clock.now())
        this.#raise(causes)
      }
    } finally {
      this.#sending = false
    }
  }

  #receive(frame: Uint8Array): boolean {
    if (!this.#receiving) return true
    const result = this.#receiver.receive(frame)
    if (result === 'taken') this.#raise(spec.INT_ROK)
    else if (result === 'fault') this.#raise(spec.INT_SYSTEM_ERROR)
    else if (result === 'no-room' && (this.#r.get16(spec.CPCR) & spec.CPCR_RX) !== 0) this.#raise(spec.INT_RX_EMPTY)
    return result !== 'no-room'
  }

  /** 6.4: the layout of the counters in memory. */
  #dumpTally(): void {
    const t = this.#tally
    const view = new DataView(new ArrayBuffer(64))
    view.setBigUint64(0, BigInt(t.transmitted), true)
    view.setBigUint64(8, BigInt(t.received), true)
    view.setBigUint64(40, BigInt(t.receivedUnicast), true)
    view.setBigUint64(48, BigInt(t.receivedBroadcast), true)
    view.setUint32(56, t.receivedMulticast, true)
    const low = this.#r.get32(spec.DTCCR)
    if (this.pci.busMaster) this.#memory.write(dmaAddress((low & ~0x3f) >>> 0, this.#r.get32(spec.DTCCR + 4)) as Gpa, new Uint8Array(view.buffer))
    this.#r.set32(spec.DTCCR, low & ~spec.DTCCR_DUMP)
  }

  #raise(causes: number): void {
    this.#r.set16(spec.ISR, this.#r.get16(spec.ISR) | causes)
    this.#updateInterrupt()
  }

  #updateInterrupt(): void {
    this.pci.setInterrupt((this.#r.get16(spec.ISR) & this.#r.get16(spec.IMR)) !== 0)
  }
}

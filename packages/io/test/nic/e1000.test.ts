import { busDeviceSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { E1000 } from '../../src/e1000/index.ts'
import * as spec from '../../src/e1000/spec.ts'
import { ManualClock } from '../support/device-fakes.ts'
import { ethernet, ipv4, NicBench, pseudoSum, reader, sumsGood } from '../support/nic-fakes.ts'

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 1)
const BROADCAST = new Uint8Array(6).fill(0xff)
const TX_RING = 0x1000
const RX_RING = 0x2000
const RX_BUFFERS = 0x40000
const RING = 8

class Bench extends NicBench {
  readonly clock = new ManualClock()
  readonly nic = new E1000({ mac: MAC, port: this.network, memory: this.memory, clock: this.clock })
  readonly read = reader(this.nic.registers)
  rxTail = RING - 1

  constructor() {
    super()
    this.plug(this.nic.pci)
  }
  write(offset: number, value: number): void { this.nic.registers.write(offset, 4, value >>> 0) }

  /** Rings of eight descriptors, receive buffers of 2 KiB. */
  start(receive = spec.RCTL_EN | spec.RCTL_BAM | spec.RCTL_SECRC): this {
    for (let index = 0; index < RING; index++) this.poke(RX_RING + 16 * index, [4, RX_BUFFERS + 2048 * index], [4, 0], [4, 0], [4, 0])
    this.write(spec.RDBAL, RX_RING)
    this.write(spec.RDLEN, 16 * RING)
    this.write(spec.RDT, this.rxTail)
    this.write(spec.TDBAL, TX_RING)
    this.write(spec.TDLEN, 16 * RING)
    this.write(spec.IMS, spec.CAUSES)
    this.write(spec.TCTL, spec.TCTL_EN | spec.TCTL_PSP)
    this.write(spec.RCTL, receive)
    this.read(spec.ICR)
    return this
  }
  /** Queues descriptors given as four words each, and rings the doorbell. */
  transmit(...descriptors: number[][]): void {
    let tail = this.read(spec.TDT)
    for (const words of descriptors) {
      this.poke(TX_RING + 16 * tail, ...words.map((word): [4, number] => [4, word]))
      tail = (tail + 1) % RING
    }
    this.write(spec.TDT, tail)
  }
  /** Received frames by descriptor: [status, errors, length, special, bytes]. */
  received(index: number): { status: number; errors: number; special: number; data: Uint8Array } {
    const at = RX_RING + 16 * index
    return { status: this.peek(at + 12, 1), errors: this.peek(at + 13, 1), special: this.peek(at + 14, 2), data: this.bytes(RX_BUFFERS + 2048 * index, this.peek(at + 8, 2)) }
  }
}

const CMD = { eop: 1 << 24, ifcs: 2 << 24, ic: 4 << 24, tse: 4 << 24, rs: 8 << 24, dext: 32 << 24, vle: 64 << 24 }
const DATA = 1 << 20

describeSuite(busDeviceSuite, () => ({
  create: () => Object.assign(Object.create(null) as object, new Bench().nic.registers) as never,
  vocabulary: [spec.CTRL_RST, spec.RCTL_EN, spec.TCTL_EN, 0x1000, 0x80, 7]
}), { describe, it })
describeSuite(busDeviceSuite, () => ({ create: () => new Bench().nic.ports, vocabulary: [0, 4, 8, 0xc0, 0xd0, 0x3818] }), { describe, it })

describe('identity', () => {
  it('is an 82540EM with registers in memory and behind two ports', () => {
    const { nic } = new Bench()
    expect([nic.pci.readConfig(0, 4), nic.pci.readConfig(8, 4) >>> 8]).toEqual([0x100e8086, 0x020000])
    nic.ports.write(0, 4, spec.STATUS)
    expect(nic.ports.read(4, 4)).toBe(reader(nic.registers)(spec.STATUS))
  })
  it('the address is in the EEPROM and the first receive address, and the EEPROM sums to BABAh', () => {
    const b = new Bench()
    const words = Array.from({ length: 64 }, (_, word) => {
      b.write(spec.EERD, word << 8 | 1)
      expect(b.read(spec.EERD) & spec.EERD_DONE).toBeTruthy()
      return b.read(spec.EERD) >>> 16
    })
    expect(words.slice(0, 3)).toEqual([0x5452, 0x1200, 0x5634])
    expect(words.reduce((a, c) => a + c) & 0xffff).toBe(0xbaba)
    expect([b.read(spec.RAL0), b.read(spec.RAH0)]).toEqual([0x12005452, 0x80005634])
  })
  it('the EEPROM answers on its wires too', () => {
    const b = new Bench()
    const pins = (value: number): number => {
      b.write(spec.EECD, value | spec.EECD_REQ)
      return b.read(spec.EECD)
    }
    expect(pins(0) & spec.EECD_GNT).toBeTruthy()
    const bit = (data: number): number => {
      pins(spec.EECD_CS | (data ? spec.EECD_DI : 0))
      const high = pins(spec.EECD_CS | spec.EECD_SK | (data ? spec.EECD_DI : 0))
      return high & spec.EECD_DO ? 1 : 0
    }
    pins(spec.EECD_CS)
    for (const data of [1, 1, 0, 0, 0, 0, 0, 0, 1]) bit(data)
    let word = 0
    for (let count = 0; count < 16; count++) word = word << 1 | bit(0)
    expect(word).toBe(0x1200)
  })
  it('the PHY at address 1 has a link and says so; other addresses are errors', () => {
    const b = new Bench()
    const phy = (address: number, register: number): number => {
      b.write(spec.MDIC, spec.MDIC_READ | address << 21 | register << 16)
      return b.read(spec.MDIC)
    }
    expect(phy(1, 2)).toBe((spec.MDIC_READ | spec.MDIC_READY | 1 << 21 | 2 << 16 | 0x0141) >>> 0)
    expect(phy(1, 1) & 0x24).toBe(0x24)
    b.network.setLink(false)
    expect(phy(1, 1) & 0x24).toBe(0)
    expect(b.read(spec.STATUS) & spec.STATUS_LU).toBe(0)
    expect(phy(2, 1) & spec.MDIC_ERROR).toBeTruthy()
  })
})

describe('interrupts', () => {
  it('ICS raises, IMS and IMC mask, reading ICR clears', () => {
    const b = new Bench()
    b.write(spec.ICS, 4)
    expect(b.line.level).toBe(false)
    b.write(spec.IMS, 4)
    expect(b.line.level).toBe(true)
    b.write(spec.IMC, 4)
    expect(b.line.level).toBe(false)
    b.write(spec.IMS, 4)
    expect(b.read(spec.ICR)).toBe(4)
    expect([b.line.level, b.read(spec.ICR)]).toEqual([false, 0])
  })
  it('ITR keeps interrupts at least so many 256 ns apart', () => {
    const b = new Bench()
    b.write(spec.IMS, 4)
    b.write(spec.ITR, 1000)
    b.clock.advance(1e9)
    b.write(spec.ICS, 4)
    expect(b.line.level).toBe(true)
    b.read(spec.ICR)
    b.write(spec.ICS, 4)
    expect(b.line.level).toBe(false)
    b.clock.advance(255_000)
    expect(b.line.level).toBe(false)
    b.clock.advance(1_000)
    expect(b.line.level).toBe(true)
  })
  it('a change of the link is a cause', () => {
    const b = new Bench().start()
    b.network.setLink(false)
    expect(b.read(spec.ICR)).toBe(spec.CAUSE_LSC)
  })
})

describe('transmission', () => {
  it('legacy descriptors: gathers, pads, reports', () => {
    const b = new Bench().start()
    b.memory.u8.set(Array.from({ length: 14 }, (_, index) => index + 1), 0x8000)
    b.memory.u8.set([7, 8, 9], 0x9000)
    b.transmit([0x8000, 0, 14, 0], [0x9000, 0, 3 | CMD.eop | CMD.rs, 0])
    expect(b.network.sent.map((frame) => [frame.length, ...frame.subarray(0, 18)])).toEqual([[60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 7, 8, 9, 0]])
    expect([b.peek(TX_RING + 12, 1), b.peek(TX_RING + 28, 1), b.read(spec.TDH)]).toEqual([0, 1, 2])
    expect(b.read(spec.ICR)).toBe(spec.CAUSE_TXDW | spec.CAUSE_TXQE)
    expect([b.read(spec.TRANSMIT_COUNTERS.good), b.read(spec.TRANSMIT_COUNTERS.good)]).toEqual([1, 0])
  })
  it('a checksum from CSS to the end at CSO (legacy) and by context (extended)', () => {
    const b = new Bench().start()
    const good = ethernet(OTHER, 0x0800, ipv4({ protocol: 17, payload: new Uint8Array(100).fill(5) }))
    const frame = good.slice()
    const pseudo = pseudoSum(17, 108)
    frame.set([pseudo >> 8, pseudo & 0xff], 40)
    b.memory.u8.set(frame, 0x8000)
    b.transmit([0x8000, 0, frame.length | 40 << 16 | CMD.eop | CMD.ic, 34 << 8])
    frame.set([0, 0], 24)
    b.memory.u8.set(frame, 0x8000)
    b.transmit([14 | 24 << 8 | 33 << 16, 34 | 40 << 8, CMD.dext | 2 << 24, 0], [0x8000, 0, frame.length | DATA | CMD.dext | CMD.eop, 3 << 8])
    expect(b.network.sent).toEqual([good, good])
  })
  it.each([
    ['TCP/IPv4', 6], ['UDP/IPv4', 17]
  ] as const)('segments %s: lengths, identification, sequence, flags and sums', (_name, protocol) => {
    const b = new Bench().start()
    const payload = Uint8Array.from({ length: 2500 }, (_, index) => index * 7)
    const packet = ethernet(OTHER, 0x0800, ipv4({ protocol, payload, flags: 0x19, sequence: 0xffff_ff00 }))
    const headers = protocol === 6 ? 54 : 42
    const checkAt = protocol === 6 ? 50 : 40
    const pseudo = pseudoSum(protocol, 0)
    packet.set([pseudo >> 8, pseudo & 0xff], checkAt)
    packet.set([0, 0], 24)
    b.memory.u8.set(packet, 0x8000)
    b.transmit(
      [14 | 24 << 8 | 33 << 16, 34 | checkAt << 8, payload.length | CMD.dext | CMD.tse | (protocol === 6 ? 3 : 2) << 24, headers << 8 | 1000 << 16],
      [0x8000, 0, headers | DATA | CMD.dext | CMD.tse, 3 << 8],
      [0x8000 + headers, 0, payload.length | DATA | CMD.dext | CMD.tse | CMD.eop | CMD.rs, 3 << 8]
    )
    const sent = b.network.sent
    expect(sent.map((frame) => frame.length - headers)).toEqual([1000, 1000, 500])
    expect(sent.every(sumsGood)).toBe(true)
    expect(sent.flatMap((frame) => [...frame.subarray(headers)])).toEqual([...payload])
    expect(sent.map((frame) => frame[19])).toEqual([0, 1, 2])
    if (protocol === 6) {
      expect(sent.map((frame) => new DataView(frame.buffer).getUint32(38))).toEqual([0xffff_ff00, 744, 1744])
      expect(sent.map((frame) => frame[47])).toEqual([0x10, 0x10, 0x19])
    }
  })
  it('puts VLAN tags in', () => {
    const b = new Bench().start()
    b.write(spec.CTRL, spec.CTRL_SLU | spec.CTRL_VME)
    b.memory.u8.set(ethernet(OTHER, 0x88b5, new Uint8Array(60).fill(3)), 0x8000)
    b.transmit([0x8000, 0, 74 | CMD.eop | CMD.vle, 0x6005 << 16])
    expect(b.network.sent).toEqual([ethernet(OTHER, 0x88b5, new Uint8Array(60).fill(3), 0x6005)])
  })
  it('waits for the transmitter and for bus mastering', () => {
    const b = new Bench().start()
    b.nic.pci.writeConfig(4, 2, 3)
    b.transmit([0x8000, 0, 60 | CMD.eop, 0])
    expect(b.network.sent.length).toBe(0)
    b.nic.pci.writeConfig(4, 2, 7)
    expect(b.network.sent.length).toBe(1)
    b.write(spec.TCTL, 0)
    b.transmit([0x8000, 0, 60 | CMD.eop, 0])
    expect(b.network.sent.length).toBe(1)
    b.write(spec.TCTL, spec.TCTL_EN)
    expect(b.network.sent.length).toBe(2)
  })
  it('a packet longer than any may be is dropped whole', () => {
    const b = new Bench().start()
    for (let count = 0; count < 4; count++) b.transmit([0x8000, 0, 0xffff, 0])
    b.transmit([0x8000, 0, 60 | CMD.eop | CMD.rs, 0], [0x8000, 0, 60 | CMD.eop, 0])
    expect(b.network.sent.map((frame) => frame.length)).toEqual([60])
    expect(b.read(spec.TDH)).toBe(6)
  })
  it('one doorbell does bounded work at once; the rest goes on by the clock', () => {
    const b = new Bench().start()
    b.write(spec.TDLEN, 0xfff80)
    b.memory.u8.fill(0)
    b.write(spec.TDT, 0xfff0)
    const first = b.read(spec.TDH)
    expect(first).toBeLessThan(2000)
    b.clock.advance(1)
    expect(b.read(spec.TDH)).toBe(0xfff0)
  })
  it('a tail outside the ring does nothing', () => {
    const b = new Bench().start()
    b.write(spec.TDT, 0xffff)
    expect(b.read(spec.TDH)).toBe(0)
  })
  it('an answer that comes while sending is received', () => {
    const b = new Bench().start()
    b.network.onSend = () => b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(50)))
    b.transmit([0x8000, 0, 60 | CMD.eop, 0])
    expect(b.received(0).status).toBe(spec.RD_STATUS_DD | spec.RD_STATUS_EOP | spec.RD_STATUS_IXSM)
  })
})

describe('reception', () => {
  it('stores, pads, reports, counts; without RCTL.SECRC four bytes stand for the FCS', () => {
    const b = new Bench().start()
    const frame = ethernet(MAC, 0x88b5, Uint8Array.of(1, 2, 3))
    b.network.deliver(frame)
    expect(b.received(0)).toMatchObject({ status: 7, errors: 0, special: 0 })
    expect([...b.received(0).data]).toEqual([...frame, ...new Uint8Array(43)])
    expect(b.line.level).toBe(true)
    expect(b.read(spec.ICR)).toBe(spec.CAUSE_RXT0)
    b.write(spec.RCTL, spec.RCTL_EN)
    b.network.deliver(frame)
    expect(b.received(1).data.length).toBe(64)
    expect([b.read(spec.RDH), b.read(spec.RECEIVE_COUNTERS.good), b.read(spec.RECEIVE_COUNTERS.goodOctets)]).toEqual([2, 2, 128])
  })
  it('spreads a long frame over descriptors of small buffers', () => {
    const b = new Bench().start(spec.RCTL_EN | 3 << 16 | spec.RCTL_SECRC)
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(500).fill(9)))
    expect([0, 1, 2].map((index) => [b.received(index).status & 3, b.received(index).data.length])).toEqual([[1, 256], [1, 256], [3, 2]])
  })
  it('keeps a frame waiting until there are descriptors', () => {
    const b = new Bench().start()
    for (let count = 0; count < 9; count++) b.network.deliver(ethernet(MAC, 0x88b5, Uint8Array.of(count)))
    expect(b.network.kept.length).toBe(2)
    expect(b.read(spec.ICR) & spec.CAUSE_RXDMT0).toBeTruthy()
    b.write(spec.RDT, 1)
    expect(b.network.kept.length).toBe(0)
    expect(b.received(0).data[14]).toBe(8)
  })
  it.each([
    ['its own address', MAC, 0, true], ['others', OTHER, 0, false], ['others, promiscuous', OTHER, spec.RCTL_UPE, true],
    ['broadcasts', BROADCAST, 0, false], ['broadcasts, accepted', BROADCAST, spec.RCTL_BAM, true],
    ['multicasts', Uint8Array.of(1, 0, 0x5e, 0, 0, 1), 0, false], ['multicasts, all', Uint8Array.of(1, 0, 0x5e, 0, 0, 1), spec.RCTL_MPE, true]
  ])('%s', (_name, destination, control, expected) => {
    const b = new Bench().start(spec.RCTL_EN | control)
    b.network.deliver(ethernet(destination, 0x88b5, new Uint8Array(46)))
    expect(b.received(0).status !== 0).toBe(expected)
  })
  it('the hash table lets a multicast address through', () => {
    const b = new Bench().start()
    // Bits 47:36 of the address 01:00:5e:00:12:34 (13.5.1): 341h.
    b.write(spec.MTA + 4 * (0x341 >> 5), 1 << (0x341 & 31))
    b.network.deliver(ethernet(Uint8Array.of(1, 0, 0x5e, 0, 0x12, 0x34), 0x88b5, new Uint8Array(46)))
    b.network.deliver(ethernet(Uint8Array.of(1, 0, 0x5e, 0, 0x12, 0x44), 0x88b5, new Uint8Array(46)))
    expect([b.received(0).status !== 0, b.received(1).status]).toEqual([true, 0])
  })
  it('VLANs: filtered by VFTA, stripped with CTRL.VME', () => {
    const b = new Bench().start(spec.RCTL_EN | spec.RCTL_VFE | spec.RCTL_SECRC)
    b.write(spec.CTRL, spec.CTRL_SLU | spec.CTRL_VME)
    b.write(spec.VFTA, 1 << 5)
    const payload = new Uint8Array(60).fill(4)
    b.network.deliver(ethernet(MAC, 0x88b5, payload, 6))
    b.network.deliver(ethernet(MAC, 0x88b5, payload, 0x6005))
    expect(b.received(0)).toMatchObject({ status: 7 | spec.RD_STATUS_VP, special: 0x6005, data: ethernet(MAC, 0x88b5, payload) })
  })
  it('says whether checksums are good', () => {
    const b = new Bench().start()
    b.write(spec.RXCSUM, spec.RXCSUM_IPOFL | spec.RXCSUM_TUOFL)
    const good = ethernet(MAC, 0x0800, ipv4({ protocol: 6, payload: new Uint8Array(33).fill(1) }))
    const bad = good.slice()
    bad[60]!++
    const badHeader = good.slice()
    badHeader[22]!--
    for (const frame of [good, bad, badHeader, ethernet(MAC, 0x86dd, new Uint8Array(60))]) b.network.deliver(frame)
    const both = spec.RD_STATUS_IPCS | spec.RD_STATUS_TCPCS | 3
    expect([0, 1, 2, 3].map((index) => [b.received(index).status, b.received(index).errors])).toEqual([
      [both, 0], [both, spec.RD_ERROR_TCPE], [both, spec.RD_ERROR_IPE], [3 | spec.RD_STATUS_IXSM, 0]
    ])
  })
  it('long frames only with RCTL.LPE; nothing while disabled', () => {
    const b = new Bench().start()
    const long = ethernet(MAC, 0x88b5, new Uint8Array(3000))
    b.network.deliver(long)
    expect([b.received(0).status, b.read(spec.ROC)]).toEqual([0, 1])
    b.write(spec.RCTL, spec.RCTL_EN | spec.RCTL_LPE)
    b.network.deliver(long)
    expect(b.received(1).status & 2).toBe(2)
    b.write(spec.RCTL, 0)
    b.network.deliver(long)
    expect(b.read(spec.RDH)).toBe(2)
  })
  it('descriptors and buffers outside memory harm nobody', () => {
    const b = new Bench().start()
    b.write(spec.RDBAH, 0xffff_ffff)
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(46)))
    expect(b.read(spec.RDH)).toBe(1)
    b.write(spec.TDBAH, 0xffff_ffff)
    b.transmit([0, 0, 0, 0])
    expect(b.read(spec.TDH)).toBe(1)
  })
})

describe('state', () => {
  it('goes on where it was saved, with half a packet gathered', () => {
    const a = new Bench().start()
    a.memory.u8.set(ethernet(OTHER, 0x88b5, new Uint8Array(46).fill(6)), 0x8000)
    a.transmit([0x8000, 0, 30, 0])
    a.write(spec.ICS, 4)
    const b = new Bench()
    b.memory.u8.set(a.memory.u8)
    b.nic.restore(structuredClone(a.nic.save()))
    expect(b.line.level).toBe(true)
    b.transmit([0x801e, 0, 30 | CMD.eop, 0])
    expect(b.network.sent).toEqual([ethernet(OTHER, 0x88b5, new Uint8Array(46).fill(6))])
  })
  it('refuses a state that is none, and keeps its own', () => {
    const b = new Bench().start()
    const before = b.nic.save()
    for (const bad of [{}, { ...before, phy: [1] }, { ...before, registers: new Uint32Array(3) }]) {
      expect(() => b.nic.restore(bad as never)).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
    }
    expect(b.nic.save()).toEqual(before)
  })
})

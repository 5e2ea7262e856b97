import { busDeviceSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { Rtl8139 } from '../../src/rtl8139/index.ts'
import * as spec from '../../src/rtl8139/spec.ts'
import { ManualClock } from '../support/device-fakes.ts'
import { ethernet, ipv4, NicBench, reader, sumsGood } from '../support/nic-fakes.ts'

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 1)
const BROADCAST = new Uint8Array(6).fill(0xff)
const RX_RING = 0x10000
const TX_RING = 0x2000
const BUFFERS = 0x40000
const ACCEPT = spec.RCR_APM | spec.RCR_AB

class Bench extends NicBench {
  readonly clock = new ManualClock()
  readonly nic = new Rtl8139({ mac: MAC, port: this.network, memory: this.memory, clock: this.clock })
  readonly read = reader(this.nic.ports)

  constructor() {
    super()
    this.plug(this.nic.pci)
  }
  write(offset: number, size: 1 | 2 | 4, value: number): void { this.nic.registers.write(offset, size, value >>> 0) }

  /** C mode: a ring of 8 KiB. */
  legacy(control = ACCEPT): this {
    this.write(spec.RBSTART, 4, RX_RING)
    this.write(spec.IMR, 2, 0xffff)
    this.write(spec.CR, 1, spec.CR_RE | spec.CR_TE)
    this.write(spec.RCR, 4, control)
    return this
  }
  /** C+ mode: rings of four descriptors, receive buffers of 2 KiB. */
  plus(control = spec.CPCR_RX | spec.CPCR_TX): this {
    for (let index = 0; index < 4; index++) {
      this.poke(RX_RING + 16 * index, [4, (spec.D_OWN | (index === 3 ? spec.D_EOR : 0) | 2048) >>> 0], [4, 0], [4, BUFFERS + 2048 * index], [4, 0])
    }
    this.write(spec.CPCR, 2, control)
    this.write(spec.RDSAR, 4, RX_RING)
    this.write(spec.TNPDS, 4, TX_RING)
    this.write(spec.IMR, 2, 0xffff)
    this.write(spec.CR, 1, spec.CR_RE | spec.CR_TE)
    this.write(spec.RCR, 4, ACCEPT)
    return this
  }
  descriptor(index: number): [number, number] {
    return [this.peek(RX_RING + 16 * index, 4), this.peek(RX_RING + 16 * index + 4, 4)]
  }
  transmit(...descriptors: [first: number, second: number, address: number][]): void {
    descriptors.forEach(([first, second, address], index) => this.poke(TX_RING + 16 * index, [4, (first | spec.D_OWN) >>> 0], [4, second], [4, address], [4, 0]))
    this.write(spec.TPPOLL, 1, spec.TPPOLL_NPQ)
  }
}

describeSuite(busDeviceSuite, () => ({ create: () => new Bench().nic.ports, vocabulary: [spec.CR_RST, 0x0c, 0xc0, 0x40, 0x80, 3, 0x2000] }), { describe, it })

describe('identity', () => {
  it('is an RTL8139C+ whose address is in its registers and its EEPROM', () => {
    const b = new Bench()
    expect([b.nic.pci.readConfig(0, 4), b.nic.pci.readConfig(8, 1)]).toEqual([0x813910ec, 0x20])
    expect([b.read(0), b.read(4, 2)]).toEqual([0x12005452, 0x5634])
    expect(b.read(spec.TCR) & 0x7cc0_0000).toBe(0x7480_0000)
    const pins = (value: number): number => {
      b.write(spec.CR9346, 1, spec.CR9346_PROGRAM | value)
      return b.read(spec.CR9346, 1)
    }
    const bit = (data: number): number => {
      pins(spec.CR9346_EECS | (data ? spec.CR9346_EEDI : 0))
      return pins(spec.CR9346_EECS | spec.CR9346_EESK | (data ? spec.CR9346_EEDI : 0)) & spec.CR9346_EEDO
    }
    const word = (address: number): number => {
      pins(0)
      pins(spec.CR9346_EECS)
      for (let at = 8; at >= 0; at--) bit((0x180 | address) >> at & 1)
      let value = 0
      for (let count = 0; count < 16; count++) value = value << 1 | bit(0)
      return value
    }
    expect([word(0), word(7), word(8), word(9)]).toEqual([0x8129, 0x5452, 0x1200, 0x5634])
  })
  it('configuration registers are locked until 9346CR opens them', () => {
    const b = new Bench()
    const before = b.read(spec.CONFIG1, 1)
    b.write(spec.CONFIG1, 1, 0xff)
    expect(b.read(spec.CONFIG1, 1)).toBe(before)
    b.write(spec.CR9346, 1, spec.CR9346_CONFIG_WRITE)
    b.write(spec.CONFIG1, 1, 0xff)
    expect(b.read(spec.CONFIG1, 1)).toBe(0xff)
  })
  it('shows the link, and reports its change', () => {
    const b = new Bench().legacy()
    expect([b.read(spec.MSR, 1) & spec.MSR_LINKB, b.read(spec.BMSR, 2) & 0x24]).toEqual([0, 0x24])
    b.network.setLink(false)
    expect([b.read(spec.MSR, 1) & spec.MSR_LINKB, b.read(spec.BMSR, 2) & 0x24, b.read(spec.ISR, 2)]).toEqual([4, 0, spec.INT_LINK_CHANGE])
    expect(b.line.level).toBe(true)
    b.write(spec.ISR, 2, 0xffff)
    expect(b.line.level).toBe(false)
  })
  it('a software reset keeps the address, stops everything and is over at once', () => {
    const b = new Bench().legacy()
    b.write(0, 4, 0x11223344)
    b.write(spec.CR, 1, spec.CR_RST)
    expect([b.read(0), b.read(spec.CR, 1), b.read(spec.IMR, 2)]).toEqual([0x11223344, spec.CR_BUFE, 0])
    b.write(spec.CR9346, 1, spec.CR9346_AUTOLOAD)
    expect(b.read(0)).toBe(0x12005452)
  })
})

describe('C mode', () => {
  it('sends the four descriptors in turn, padded', () => {
    const b = new Bench().legacy()
    for (let index = 0; index < 6; index++) {
      const n = index % 4
      const frame = ethernet(OTHER, 0x88b5, Uint8Array.of(index))
      b.memory.u8.set(frame, BUFFERS)
      b.write(spec.TSAD0 + 4 * n, 4, BUFFERS)
      b.write(spec.TSD0 + 4 * n, 4, frame.length)
      expect(b.read(spec.TSD0 + 4 * n)).toBe(spec.TSD_OWN | spec.TSD_TOK | 15)
    }
    expect(b.network.sent.map((frame) => [frame.length, frame[14]])).toEqual([0, 1, 2, 3, 4, 5].map((index) => [60, index]))
    expect([b.read(spec.ISR, 2), b.read(spec.TSAD, 2)]).toEqual([spec.INT_TOK, 0xf00f])
  })
  it('receives into the ring behind a header, and shows when it is empty', () => {
    const b = new Bench().legacy()
    expect(b.read(spec.CR, 1) & spec.CR_BUFE).toBe(1)
    const frame = ethernet(MAC, 0x88b5, new Uint8Array(51).fill(7))
    b.network.deliver(frame)
    b.network.deliver(ethernet(BROADCAST, 0x88b5, new Uint8Array(0)))
    expect(b.peek(RX_RING, 4)).toBe(69 << 16 | spec.RING_ROK | spec.RING_PAM)
    expect(b.bytes(RX_RING + 4, 65)).toEqual(frame)
    expect(b.peek(RX_RING + 76, 4)).toBe(64 << 16 | spec.RING_ROK | spec.RING_BAR)
    expect([b.read(spec.CBR, 2), b.read(spec.CR, 1) & spec.CR_BUFE, b.line.level]).toEqual([144, 0, true])
    b.write(spec.CAPR, 2, 144 - 16)
    expect(b.read(spec.CR, 1) & spec.CR_BUFE).toBe(1)
  })
  it.each([['wraps', 0], ['runs on behind the ring with WRAP', spec.RCR_WRAP]])('a packet at the end of the ring %s', (_name, wrap) => {
    const b = new Bench().legacy(ACCEPT | wrap)
    const frame = ethernet(MAC, 0x88b5, Uint8Array.from({ length: 986 }, (_, index) => index))
    for (let count = 0; count < 9; count++) {
      b.network.deliver(frame)
      b.write(spec.CAPR, 2, b.read(spec.CBR, 2) - 16)
    }
    // The ninth begins at 8064.
    const at = RX_RING + 8 * 1008 + 4
    const whole = [...b.bytes(at, wrap ? 1000 : 124), ...(wrap ? [] : b.bytes(RX_RING, 876))]
    expect(whole).toEqual([...frame])
    expect(b.read(spec.CBR, 2)).toBe(9 * 1008 - 8192)
  })
  it('keeps frames waiting while the ring is full', () => {
    const b = new Bench().legacy()
    for (let count = 0; count < 12; count++) b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(986)))
    expect(b.network.kept.length).toBe(4)
    b.write(spec.CAPR, 2, 4 * 1008 - 16)
    expect(b.network.kept.length).toBe(0)
  })
  it.each([
    ['its own address', MAC, ACCEPT, true], ['others', OTHER, ACCEPT, false], ['others, promiscuous', OTHER, spec.RCR_AAP, true],
    ['broadcasts', BROADCAST, spec.RCR_APM, false], ['multicasts without the filter', Uint8Array.of(1, 0, 0x5e, 0, 0, 1), spec.RCR_AM, false]
  ])('filter: %s', (_name, destination, control, expected) => {
    const b = new Bench().legacy(control)
    b.network.deliver(ethernet(destination, 0x88b5, new Uint8Array(46)))
    expect((b.read(spec.CR, 1) & spec.CR_BUFE) === 0).toBe(expected)
  })
  it('the multicast filter is indexed by the top six bits of the CRC', () => {
    const b = new Bench().legacy(spec.RCR_AM)
    // The known value for 01:00:5e:00:00:01 is bit 31 (all-hosts group, as drivers compute it).
    b.write(spec.MAR0, 4, 0x8000_0000)
    b.network.deliver(ethernet(Uint8Array.of(1, 0, 0x5e, 0, 0, 1), 0x88b5, new Uint8Array(46)))
    expect(b.peek(RX_RING, 2)).toBe(spec.RING_ROK | spec.RING_MAR)
  })
})

describe('C+ mode', () => {
  it('gathers descriptors, gives them back, wraps at the end of the ring', () => {
    const b = new Bench().plus()
    const frame = ethernet(OTHER, 0x88b5, new Uint8Array(100).fill(5))
    b.memory.u8.set(frame, BUFFERS)
    b.transmit([spec.D_FS | 20, 0, BUFFERS], [spec.D_LS | spec.D_EOR | 94, 0, BUFFERS + 20])
    expect(b.network.sent).toEqual([frame])
    expect([b.peek(TX_RING, 4), b.peek(TX_RING + 16, 4)].map((word) => word & spec.D_OWN)).toEqual([0, 0])
    expect(b.read(spec.ISR, 2)).toBe(spec.INT_TOK | spec.INT_TX_EMPTY)
    b.transmit([spec.D_FS | spec.D_LS | spec.D_EOR | 114, spec.TD_TAGC | 0x0560, BUFFERS])
    expect(b.network.sent[1]).toEqual(ethernet(OTHER, 0x88b5, new Uint8Array(100).fill(5), 0x6005))
  })
  it.each([['TCP', 6, spec.TD_TCPCS], ['UDP', 17, spec.TD_UDPCS]] as const)('puts the checksums of IPv4 and %s in', (_name, protocol, bit) => {
    const b = new Bench().plus()
    const good = ethernet(OTHER, 0x0800, ipv4({ protocol, payload: new Uint8Array(77).fill(9) }))
    const frame = good.slice()
    frame.set([1, 2], 24)
    frame.set([3, 4], protocol === 6 ? 50 : 40)
    b.memory.u8.set(frame, BUFFERS)
    b.transmit([spec.D_FS | spec.D_LS | spec.D_EOR | spec.TD_IPCS | bit | frame.length, 0, BUFFERS])
    expect(b.network.sent).toEqual([good])
  })
  it('large send cuts into segments', () => {
    const b = new Bench().plus()
    const payload = Uint8Array.from({ length: 3000 }, (_, index) => index)
    const frame = ethernet(OTHER, 0x0800, ipv4({ protocol: 6, payload, flags: 0x18 }))
    b.memory.u8.set(frame, BUFFERS)
    b.transmit([spec.D_FS | spec.D_LS | spec.D_EOR | spec.TD_LGSEN | 1400 << spec.TD_MSS_SHIFT | frame.length, 0, BUFFERS])
    // What were commands would now be errors.
    expect(b.peek(TX_RING, 4)).toBe(spec.D_FS | spec.D_LS | spec.D_EOR)
    expect(b.network.sent.map((piece) => piece.length - 54)).toEqual([1400, 1400, 200])
    expect(b.network.sent.every(sumsGood)).toBe(true)
    expect(b.network.sent.flatMap((piece) => [...piece.subarray(54)])).toEqual([...payload])
  })
  it('receives, checks sums, takes tags out, and waits for descriptors', () => {
    const b = new Bench().plus(spec.CPCR_RX | spec.CPCR_TX | spec.CPCR_RX_CHECKSUM | spec.CPCR_RX_VLAN)
    const good = ethernet(MAC, 0x0800, ipv4({ protocol: 6, payload: new Uint8Array(30) }))
    const bad = good.slice()
    bad[60]!++
    b.network.deliver(good)
    b.network.deliver(bad)
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(60).fill(4), 0x6005))
    const whole = spec.D_FS | spec.D_LS | spec.RD_PAM
    expect(b.descriptor(0)).toEqual([whole | 1 << 16 | 88, 0])
    expect(b.descriptor(1)).toEqual([whole | 1 << 16 | spec.RD_TCPF | 88, 0])
    expect(b.descriptor(2)).toEqual([whole | 78, spec.RD_TAVA | 0x0560])
    expect(b.bytes(BUFFERS, 84)).toEqual(good)
    expect(b.read(spec.ISR, 2)).toBe(spec.INT_ROK)
    b.network.deliver(good)
    b.network.deliver(bad)
    expect([b.network.kept.length, b.read(spec.ISR, 2) & spec.INT_RX_EMPTY]).toEqual([1, spec.INT_RX_EMPTY])
    b.poke(RX_RING, [4, (spec.D_OWN | 2048) >>> 0])
    b.write(spec.ISR, 2, 0xffff)
    expect(b.network.kept.length).toBe(0)
  })
  it('a frame that does not fit its buffer is dropped; descriptors outside memory are a system error', () => {
    const b = new Bench().plus()
    b.poke(RX_RING, [4, (spec.D_OWN | 64) >>> 0])
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(100)))
    expect(b.descriptor(0)[0]).toBe((spec.D_OWN | 64) >>> 0)
    b.write(spec.RDSAR, 4, 0x8000_0000)
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(50)))
    expect(b.read(spec.ISR, 2)).toBe(spec.INT_SYSTEM_ERROR)
    b.write(spec.TNPDS, 4, 0x8000_0000)
    b.write(spec.TPPOLL, 1, spec.TPPOLL_NPQ)
    expect(b.clock.timers.length).toBe(0)
  })
  it('rings of descriptors that end nowhere are walked a ring at a time', () => {
    const b = new Bench().plus()
    for (let index = 0; index < 64; index++) b.poke(TX_RING + 16 * index, [4, (spec.D_OWN | spec.D_FS | 0xffff) >>> 0], [4, 0], [4, 0], [4, 0])
    b.write(spec.TPPOLL, 1, spec.TPPOLL_NPQ)
    b.clock.advance(1)
    expect([b.network.sent.length, b.clock.timers.length]).toEqual([0, 0])
  })
  it('dumps its counters', () => {
    const b = new Bench().plus()
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(50)))
    b.network.deliver(ethernet(BROADCAST, 0x88b5, new Uint8Array(50)))
    b.write(spec.DTCCR + 4, 4, 0)
    b.write(spec.DTCCR, 4, 0x3000 | spec.DTCCR_DUMP)
    expect([b.peek(0x3008, 4), b.peek(0x3028, 4), b.peek(0x3030, 4), b.read(spec.DTCCR)]).toEqual([2, 1, 1, 0x3000])
  })
})

describe('state', () => {
  it('goes on where it was saved', () => {
    const a = new Bench().plus()
    a.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(50)))
    a.memory.u8.set(ethernet(OTHER, 0x88b5, new Uint8Array(50).fill(3)), BUFFERS)
    a.transmit([spec.D_FS | 30, 0, BUFFERS])
    const b = new Bench()
    b.memory.u8.set(a.memory.u8)
    b.nic.restore(structuredClone(a.nic.save()))
    expect(b.line.level).toBe(true)
    b.network.deliver(ethernet(MAC, 0x88b5, new Uint8Array(50)))
    expect(b.descriptor(1)[0] & spec.D_OWN).toBe(0)
    b.poke(TX_RING + 16, [4, (spec.D_OWN | spec.D_LS | spec.D_EOR | 34) >>> 0], [4, 0], [4, BUFFERS + 30], [4, 0])
    b.write(spec.TPPOLL, 1, spec.TPPOLL_NPQ)
    expect(b.network.sent).toEqual([ethernet(OTHER, 0x88b5, new Uint8Array(50).fill(3))])
  })
  it('refuses a state that is none', () => {
    const b = new Bench()
    const before = b.nic.save()
    for (const bad of [undefined, {}, { ...before, receiveIndex: 64 }]) {
      expect(() => b.nic.restore(bad as never)).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
    }
    expect(b.nic.save()).toEqual(before)
  })
})

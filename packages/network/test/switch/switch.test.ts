import type { UnfinishedFrame } from '@entresol/interfaces'
import { describe, expect, it } from 'vitest'
import { createCable, EthernetSwitch, joinPorts } from '../../src/switch/index.ts'
import type { SwitchPort, SwitchPortOptions } from '../../src/switch/index.ts'
import { ALL, BROADCAST, frame, ManualClock, NONE, Station } from '../support/devices.ts'

interface Lan { clock: ManualClock; lan: EthernetSwitch; stations: (Station & { port: SwitchPort })[] }

/** Stations with addresses 2, 4, 6, … on a switch. */
function network(ports: SwitchPortOptions[], options: { ageingSeconds?: number; capacity?: number } = {}): Lan {
  const clock = new ManualClock()
  const lan = new EthernetSwitch({ clock, ...options })
  return { clock, lan, stations: ports.map((port, index) => new Station(lan.createPort(port), 2 + 2 * index)) as Lan['stations'] }
}

const heard = ({ stations }: Lan): string[][] => stations.map((station) => station.texts())

describe('forwarding', () => {
  it('floods what it does not know to all but the sender, and learns from sources', () => {
    const net = network([{}, {}, {}])
    const [a, b] = net.stations
    a!.say(4, 'first')
    expect(heard(net)).toEqual([[], ['first'], ['first']])
    b!.say(2, 'answer')
    expect(heard(net)).toEqual([['answer'], [], []])
    a!.say(4, 'second')
    expect(heard(net)).toEqual([[], ['second'], []])
  })
  it('broadcasts and multicasts reach everybody else', () => {
    const net = network([{}, {}, {}])
    net.stations[0]!.say(BROADCAST, 'all')
    net.stations[1]!.say(0x0100_5e00_0001, 'group')
    expect(heard(net)).toEqual([['group'], ['all'], ['all', 'group']])
  })
  it('never sends a frame back where it came from, even to an address known there', () => {
    const net = network([{}, {}])
    net.stations[0]!.say(BROADCAST, 'here')
    net.stations[0]!.say(2, 'to myself')
    expect(heard(net)).toEqual([[], ['here']])
  })
  it('an address that moved is found at its new place', () => {
    const net = network([{}, {}, {}])
    const [a, b, c] = net.stations
    a!.say(BROADCAST, '')
    b!.port.send(frame(BROADCAST, 2, ''))
    heard(net)
    c!.say(2, 'where')
    expect(heard(net)).toEqual([[], ['where'], []])
  })
  it('keeps frames for the bridge itself, and refuses group sources and frames without a header', () => {
    const net = network([{}, {}])
    net.stations[0]!.say(0x0180_c200_0001, 'pause')
    net.stations[0]!.port.send(frame(4, 0x0100_0000_0002, 'group source'))
    net.stations[0]!.port.send(new Uint8Array(13))
    net.stations[0]!.port.send(new Uint8Array(65_551))
    expect(heard(net)).toEqual([[], []])
    expect(net.stations[0]!.port.counters).toMatchObject({ fromDeviceFrames: 4, fromDeviceRefused: 3 })
  })
  it('counts', () => {
    const net = network([{}, {}])
    net.stations[0]!.say(4, 'x', { length: 100 })
    expect(net.stations[0]!.port.counters).toMatchObject({ fromDeviceFrames: 1, fromDeviceBytes: 100, toDeviceFrames: 0 })
    expect(net.stations[1]!.port.counters).toMatchObject({ toDeviceFrames: 1, toDeviceBytes: 100, toDeviceDropped: 0 })
  })
})

describe('the address table', () => {
  it('forgets what it has not seen for the ageing time', () => {
    const net = network([{}, {}, {}], { ageingSeconds: 10 })
    net.stations[0]!.say(BROADCAST, '')
    heard(net)
    net.clock.advance(9e9)
    net.stations[1]!.say(2, 'known')
    expect(heard(net)).toEqual([['known'], [], []])
    net.clock.advance(2e9)
    net.stations[1]!.say(2, 'forgotten')
    expect(heard(net)).toEqual([['forgotten'], [], ['forgotten']])
  })
  it('is bounded, and a sender of invented addresses only pushes out its own', () => {
    const net = network([{}, {}, {}], { capacity: 16 })
    net.stations[0]!.say(BROADCAST, '')
    for (let index = 0; index < 1000; index++) net.stations[1]!.port.send(frame(2, 0x0200_0000_0000 + 2 * index, ''))
    heard(net)
    expect(net.lan.addresses).toBe(16)
    net.stations[2]!.say(2, 'still known')
    expect(heard(net)).toEqual([['still known'], [], []])
  })
  it('loses the addresses of a port that goes down or away', () => {
    const net = network([{}, {}, {}])
    const [a, b] = net.stations
    a!.say(BROADCAST, '')
    heard(net)
    a!.port.setLink(false)
    expect(net.lan.addresses).toBe(0)
    b!.say(2, 'where')
    a!.say(4, 'unheard')
    expect(heard(net)).toEqual([[], [], ['where']])
    a!.port.setLink(true)
    expect(a!.links).toEqual([false, true])
    a!.port.close()
    b!.say(BROADCAST, 'anyone')
    expect(heard(net)).toEqual([[], [], ['anyone']])
    expect(a!.port.linkUp).toBe(false)
  })
})

describe('VLANs', () => {
  const trunk: SwitchPortOptions = { vlan: { mode: 'trunk', native: 7, allowed: [10, 20] } }
  const access = (id: number): SwitchPortOptions => ({ vlan: { mode: 'access', id } })

  it('access ports hear their VLAN only, without tags; trunks hear what they allow, with tags, but not for the native one', () => {
    const net = network([access(10), access(10), access(20), trunk, access(7), access(30)])
    net.stations[0]!.say(BROADCAST, 'ten')
    net.stations[2]!.say(BROADCAST, 'twenty')
    net.stations[4]!.say(BROADCAST, 'seven')
    net.stations[5]!.say(BROADCAST, 'thirty')
    expect(heard(net)).toEqual([[], ['ten'], [], ['a:ten', '14:twenty', 'seven'], [], []])
  })
  it('tags of trunk ports choose the VLAN; untagged and priority-tagged frames are the native one', () => {
    const net = network([access(10), access(20), trunk, access(7), access(30)])
    const uplink = net.stations[2]!
    uplink.say(BROADCAST, 'ten', { tag: 10 })
    uplink.say(BROADCAST, 'twenty', { tag: 0x6014 })
    uplink.say(BROADCAST, 'native')
    uplink.say(BROADCAST, 'priority', { tag: 0x6000 })
    uplink.say(BROADCAST, 'thirty', { tag: 30 })
    uplink.say(BROADCAST, 'reserved', { tag: 0xfff })
    expect(heard(net)).toEqual([['ten'], ['twenty'], [], ['native', 'priority'], []])
    expect(uplink.port.counters.fromDeviceRefused).toBe(2)
  })
  it('access ports refuse tags, and a trunk without a native VLAN refuses frames without', () => {
    const net = network([access(10), { vlan: { mode: 'trunk' } }, access(10)])
    net.stations[0]!.say(BROADCAST, 'tagged', { tag: 20 })
    net.stations[1]!.say(BROADCAST, 'untagged')
    net.stations[1]!.say(BROADCAST, 'ten', { tag: 10 })
    expect(heard(net)).toEqual([['ten'], [], ['ten']])
  })
  it('the same address in two VLANs is two stations', () => {
    const net = network([access(10), access(20), trunk])
    net.stations[0]!.port.send(frame(BROADCAST, 0x22, ''))
    net.stations[1]!.port.send(frame(BROADCAST, 0x22, ''))
    heard(net)
    net.stations[2]!.say(0x22, 'ten', { tag: 10 })
    net.stations[2]!.say(0x22, 'twenty', { tag: 20 })
    expect(heard(net)).toEqual([['ten'], ['twenty'], []])
  })
  it('priority survives from trunk to trunk, and a port without options passes tags as they are', () => {
    const net = network([trunk, trunk, {}])
    net.stations[0]!.say(BROADCAST, 'x', { tag: 0xa00a })
    expect(heard(net)).toEqual([[], ['a00a:x'], ['a00a:x']])
  })
  it('hints about unfinished work move with the tag', () => {
    const clock = new ManualClock()
    const lan = new EthernetSwitch({ clock })
    const from = new Station(lan.createPort({ vlan: { mode: 'access', id: 10 } }), 2)
    const to = new Station(lan.createPort({ vlan: { mode: 'trunk' } }), 4, ALL)
    from.port.send(frame(BROADCAST, 2, 'x', { length: 3000 }), {
      checksum: { start: 34, offset: 16 }, segmentation: { kind: 'tcp4', size: 1000, headerLength: 54 }
    })
    expect(to.got[0]!.unfinished).toEqual({ checksum: { start: 38, offset: 16 }, segmentation: { kind: 'tcp4', size: 1000, headerLength: 58 } })
  })
  it.each([0, 4095, 1.5, -1])('identifier %d is refused', (id) => {
    expect(() => network([access(id)])).toThrow(expect.objectContaining({ code: 'bad-vlan' }))
  })
})

describe('isolation and mirrors', () => {
  it('isolated ports reach the others, not each other', () => {
    const net = network([{ isolated: true }, { isolated: true }, {}])
    const [a, b, c] = net.stations
    c!.say(BROADCAST, 'all')
    a!.say(BROADCAST, 'from a')
    b!.say(2, 'b to a')
    expect(heard(net)).toEqual([['all'], ['all'], ['from a']])
    a!.say(6, 'a to c')
    expect(heard(net)).toEqual([[], [], ['a to c']])
  })
  it('a mirror hears everything once, as it came, and says nothing', () => {
    const net = network([{}, {}, { mirror: true }])
    const [a, b, mirror] = net.stations
    a!.say(BROADCAST, 'one', { tag: 5 })
    b!.say(2, 'two')
    mirror!.say(BROADCAST, 'mine')
    expect(heard(net)).toEqual([['two'], ['5:one'], ['5:one', 'two']])
  })
})

describe('rate limits', () => {
  const limit = { bitsPerSecond: 8000, burstBytes: 1000 }
  it.each([['fromDevice', 0], ['toDevice', 1]] as const)('%s: the burst passes, then the average, and a full queue drops', (side, counted) => {
    const ports: SwitchPortOptions[] = [{}, {}]
    ports[counted] = { [side]: limit, queue: { packets: 20, bytes: 1e6 } }
    const net = network(ports)
    for (let index = 0; index < 100; index++) net.stations[0]!.say(BROADCAST, 'x', { length: 100 })
    expect(net.stations[1]!.got.length).toBe(10)
    net.clock.advance(1e9)
    expect(net.stations[1]!.got.length).toBe(20)
    net.clock.advance(100e9)
    expect(net.stations[1]!.got.length).toBe(30)
    expect(net.stations[counted]!.port.counters[`${side}Dropped`]).toBe(70)
  })
  it('a frame larger than the burst passes, and is paid for', () => {
    const net = network([{ fromDevice: { bitsPerSecond: 8000, burstBytes: 100 } }, {}])
    net.stations[0]!.say(BROADCAST, 'big', { length: 1100 })
    net.stations[0]!.say(BROADCAST, 'next', { length: 100 })
    net.clock.advance(0.9e9)
    expect(net.stations[1]!.texts()).toEqual(['big'])
    net.clock.advance(0.2e9)
    expect(net.stations[1]!.texts()).toEqual(['next'])
  })
  it.each([0, -1, NaN, Infinity])('%d bits per second is refused', (bitsPerSecond) => {
    expect(() => network([{ toDevice: { bitsPerSecond } }])).toThrow(expect.objectContaining({ code: 'bad-rate' }))
  })
})

describe('back-pressure', () => {
  it('keeps what the device has no room for, in order, and drops beyond the bound', () => {
    const net = network([{}, { queue: { packets: 3, bytes: 1e6 } }, {}])
    const slow = net.stations[1]!
    slow.room = 1
    for (let index = 0; index < 10; index++) net.stations[0]!.say(BROADCAST, `${index}`)
    expect(slow.texts()).toEqual(['0'])
    slow.room = 2
    slow.port.resume()
    slow.room += 10
    slow.port.resume()
    expect(slow.texts()).toEqual(['1', '2', '3', '4'])
    expect(slow.port.counters.toDeviceDropped).toBe(5)
    expect(net.stations[2]!.got.length).toBe(10)
  })
  it('keeps copies: the sender may use its buffer again', () => {
    const net = network([{}, {}])
    net.stations[1]!.room = 0
    const bytes = frame(BROADCAST, 2, 'original')
    net.stations[0]!.port.send(bytes)
    bytes.fill(0xff)
    net.stations[1]!.room = 1
    net.stations[1]!.port.resume()
    expect(net.stations[1]!.texts()).toEqual(['original'])
  })
})

describe('unfinished frames', () => {
  /** A TCP/IPv4 frame of two segments' payload, pseudo header's sum in place. */
  const large = (): Uint8Array => {
    const bytes = frame(BROADCAST, 2, '', { type: 0x0800, length: 54 + 2000 })
    bytes.set([0x45, 0, 2040 >> 8, 2040 & 0xff, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 14)
    bytes.set([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0], 34)
    return bytes
  }
  const hints: UnfinishedFrame = { checksum: { start: 34, offset: 16 }, segmentation: { kind: 'tcp4', size: 1000, headerLength: 54 } }

  it('are finished for those who do not take them, and only for those', () => {
    const clock = new ManualClock()
    const lan = new EthernetSwitch({ clock })
    const [from, all, none, checksums] = [ALL, ALL, NONE, { ...NONE, checksum: true }].map((accepts, index) => new Station(lan.createPort(), 2 + index, accepts))
    from!.port.send(large(), hints)
    expect(all!.got.map(({ frame, unfinished }) => [frame.length, unfinished])).toEqual([[2054, hints]])
    expect(none!.got.map(({ frame, unfinished }) => [frame.length, unfinished])).toEqual([[1054, undefined], [1054, undefined]])
    expect(checksums!.got.map(({ frame }) => frame.length)).toEqual([1054, 1054])
  })
  it('wait as they are for a slow receiver, and are finished for what it takes then', () => {
    const clock = new ManualClock()
    const lan = new EthernetSwitch({ clock })
    const from = new Station(lan.createPort(), 2)
    const port = lan.createPort()
    let room = 0
    const lengths: number[] = []
    const listener = (bytes: Uint8Array): boolean => room-- > 0 && lengths.push(bytes.length) > 0
    port.onReceive(listener, ALL)
    from.port.send(large(), hints)
    from.port.send(large(), hints)
    port.onReceive(listener, NONE)
    for (let count = 0; count < 5; count++) {
      room = 1
      port.resume()
    }
    expect(lengths).toEqual([1054, 1054, 1054, 1054])
  })
  it('with hints that make no sense are lost where they would have to be finished', () => {
    const net = network([{}, {}])
    net.stations[0]!.port.send(large(), { checksum: { start: 5000, offset: 9 }, segmentation: undefined })
    expect(heard(net)).toEqual([[], []])
    expect(net.stations[1]!.port.counters.toDeviceDropped).toBe(1)
  })
})

describe('ends that answer at once', () => {
  it('two stations that answer each other for ever hold nobody up', () => {
    const net = network([{}, {}])
    const [a, b] = net.stations
    a!.onFrame = () => a!.say(4, 'a')
    b!.onFrame = () => b!.say(2, 'b')
    a!.say(4, 'start')
    expect(a!.got.length).toBeLessThan(1000)
    const before = a!.got.length
    net.clock.advance(1, 10)
    expect(a!.got.length).toBeGreaterThan(before)
  })
  it('a loop of switches costs bounded work and memory', () => {
    const net = network([{}, {}, {}])
    const other = new EthernetSwitch({ clock: net.clock })
    joinPorts(net.lan.createPort(), other.createPort())
    joinPorts(net.lan.createPort(), other.createPort())
    const [one, two] = createCable(net.clock)
    joinPorts(net.lan.createPort(), one)
    joinPorts(other.createPort(), two)
    net.stations[0]!.say(BROADCAST, 'storm')
    for (let round = 0; round < 20; round++) net.clock.advance(1, 1)
    expect(net.stations[1]!.got.length).toBeGreaterThan(100)
    expect(net.clock.timers.length).toBeLessThan(20)
  })
})

describe('the cable', () => {
  it('carries both ways, with carrier when the far end listens', () => {
    const clock = new ManualClock()
    const [left, right] = createCable(clock)
    expect(left.linkUp).toBe(false)
    const a = new Station(left, 2)
    expect(right.linkUp).toBe(true)
    expect(left.linkUp).toBe(false)
    const b = new Station(right, 4, NONE)
    expect(a.links).toEqual([true])
    a.say(4, 'hello')
    b.say(2, 'hi')
    expect([a.texts(), b.texts()]).toEqual([['hi'], ['hello']])
  })
  it('two stations that answer each other for ever hold nobody up', () => {
    const clock = new ManualClock()
    const [left, right] = createCable(clock)
    const a = new Station(left, 2)
    const b = new Station(right, 4)
    a.onFrame = () => a.say(4, 'a')
    b.onFrame = () => b.say(2, 'b')
    a.say(4, 'start')
    expect(a.got.length).toBeLessThan(10_000)
  })
})

import { createSocket } from 'node:dgram'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { DatagramListener, HostSockets, SocketAddress } from '../../src/nat/index.ts'
import { nodeSockets } from '../../src/node/index.ts'
import { Vxlan } from '../../src/vxlan/index.ts'
import type { VxlanPortOptions } from '../../src/vxlan/index.ts'
import { hostClock, until } from '../support/clock.ts'
import { BROADCAST, frame, ManualClock, Station, text } from '../support/devices.ts'
import { concat, dissect, hasTshark, NO_TSHARK } from '../support/tshark.ts'

interface Sent { bytes: Uint8Array; to: SocketAddress }

/** Sockets that remember what is sent, and bring what the test wants. */
function fakeSockets(): { sockets: HostSockets; sent: Sent[]; bring: DatagramListener } {
  const sent: Sent[] = []
  let received: DatagramListener = () => undefined
  const sockets = {
    bind: (_address: string | undefined, port: number, listener: DatagramListener) => {
      received = listener
      return Promise.resolve({ port, send: (bytes: Uint8Array, to: SocketAddress) => void sent.push({ bytes: bytes.slice(), to }), close: () => undefined })
    }
  } as unknown as HostSockets
  return { sockets, sent, bring: (bytes, from) => received(bytes, from) }
}

const A = { address: '192.0.2.1', port: 4789 }
const B = { address: '192.0.2.2', port: 4789 }
const header = (vni: number, flags = 8): number[] => [flags, 0, 0, 0, vni >> 16, vni >> 8 & 255, vni & 255, 0]
const packet = (vni: number, inner: Uint8Array, flags?: number): Uint8Array => Uint8Array.from([...header(vni, flags), ...inner])

async function network(options: Partial<VxlanPortOptions> = {}): Promise<{ clock: ManualClock; vxlan: Vxlan; station: Station; sent: Sent[]; bring: DatagramListener; said: () => string[] }> {
  const clock = new ManualClock()
  const { sockets, sent, bring } = fakeSockets()
  const vxlan = await Vxlan.open({ sockets, clock })
  const station = new Station(vxlan.createPort({ vni: 0xabcdef, remotes: [A, B], ...options }).port, 2)
  return { clock, vxlan, station, sent, bring, said: () => sent.splice(0).map(({ bytes, to }) => `${to.address} ${text(bytes.subarray(8))}`) }
}

describe('VXLAN', () => {
  it('wraps frames in a header with the I flag and the VNI', async () => {
    const { station, sent } = await network()
    station.say(BROADCAST, 'x')
    expect(sent[0]).toEqual({ bytes: packet(0xabcdef, frame(BROADCAST, 2, 'x')), to: A })
  })
  it('floods what nobody is known to want, learns from what comes, forgets', async () => {
    const { clock, station, bring, said } = await network({ ageingSeconds: 10 })
    station.say(4, 'flood')
    expect(said()).toEqual(['192.0.2.1 flood', '192.0.2.2 flood'])
    bring(packet(0xabcdef, frame(2, 4, 'here')), { address: B.address, port: 54_321 })
    expect(station.texts()).toEqual(['here'])
    station.say(4, 'straight')
    station.say(BROADCAST, 'all')
    expect(said()).toEqual(['192.0.2.2 straight', '192.0.2.1 all', '192.0.2.2 all'])
    clock.advance(11e9)
    station.say(4, 'flood')
    expect(said().length).toBe(2)
  })
  it('hears only its network and its remotes, and packets with the I flag', async () => {
    const { station, bring } = await network()
    const inner = frame(2, 4, 'x')
    bring(packet(0xabcdee, inner), A)
    bring(packet(0xabcdef, inner, 0), A)
    bring(packet(0xabcdef, inner), { address: '192.0.2.3', port: 4789 })
    bring(packet(0xabcdef, inner).subarray(0, 21), A)
    expect(station.texts()).toEqual([])
    bring(packet(0xabcdef, inner, 0xff), A)
    expect(station.texts()).toEqual(['x'])
  })
  it('drops inner VLAN tags both ways unless told otherwise', async () => {
    for (const innerVlans of [false, true]) {
      const { station, bring, said } = await network({ innerVlans })
      station.say(BROADCAST, 'x', { tag: 5 })
      bring(packet(0xabcdef, frame(2, 4, 'y', { tag: 6 })), A)
      expect([said().length, station.texts()]).toEqual(innerVlans ? [2, ['6:y']] : [0, []])
    }
  })
  it('one end point has many networks, each with one port', async () => {
    const { vxlan, bring } = await network()
    const other = new Station(vxlan.createPort({ vni: 0, remotes: [A] }).port, 2)
    bring(packet(0, frame(2, 4, 'zero')), A)
    expect(other.texts()).toEqual(['zero'])
    expect(() => vxlan.createPort({ vni: 0, remotes: [] })).toThrow(expect.objectContaining({ code: 'vni-taken' }))
    for (const vni of [-1, 1.5, 2 ** 24]) expect(() => vxlan.createPort({ vni, remotes: [] })).toThrow(expect.objectContaining({ code: 'bad-vni' }))
    vxlan.close()
    expect(other.links).toEqual([false])
  })
  it('any datagram is dropped or a frame', async () => {
    const { station, bring } = await network()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, ours) => {
      bring(ours ? Uint8Array.from([...header(0xabcdef), ...bytes]) : bytes, A)
      expect(station.got.every(({ frame }) => frame.length >= 14)).toBe(true)
      station.got = []
    }))
  })
  it('tshark sees what we send', async (ctx) => {
    ctx.skip(!hasTshark, NO_TSHARK)
    const { station, sent } = await network()
    station.say(4, 'hello', { type: 0x88b5, length: 80 })
    // Under an Ethernet, IPv4 and UDP header of the test's own.
    const udp = 8 + sent[0]!.bytes.length
    const outer = Uint8Array.from([
      ...new Uint8Array(12), 8, 0, 0x45, 0, (20 + udp) >> 8, (20 + udp) & 255, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 9, 192, 0, 2, 1,
      0xc0, 0, 4789 >> 8, 4789 & 255, udp >> 8, udp & 255, 0, 0, ...sent[0]!.bytes
    ])
    const view = new DataView(new ArrayBuffer(40))
    ;[0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1, 0, 0, outer.length, outer.length].forEach((word, index) => view.setUint32(4 * index, word, true))
    expect(dissect(concat([new Uint8Array(view.buffer), outer]), ['vxlan.vni', 'vxlan.flag_i', 'eth.dst', 'eth.type'])).toEqual([
      [String(0xabcdef), expect.stringMatching(/1|True/), '00:00:00:00:00:00,00:00:00:00:00:04', '0x0800,0x88b5']
    ])
  })
})

describe('over the sockets of the host', () => {
  const open: Vxlan[] = []
  afterEach(() => { for (const vxlan of open.splice(0)) vxlan.close() })

  it('two end points on loopback carry frames', async () => {
    const clock = hostClock()
    const ends = await Promise.all(['127.0.0.1', '127.0.0.2'].map((address) => Vxlan.open({ sockets: nodeSockets, clock, address, port: 0 })))
    open.push(...ends)
    const [a, b] = ends.map((end, index) => new Station(end.createPort({ vni: 7, remotes: [{ address: `127.0.0.${2 - index}`, port: ends[1 - index]!.port }] }).port, 2 + index))
    a!.say(3, 'there')
    await until(() => b!.got.length > 0)
    b!.say(2, 'back')
    await until(() => a!.got.length > 0)
    expect([a!.texts(), b!.texts()]).toEqual([['back'], ['there']])
  })
  it('a port that is taken is a coded error', async () => {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    await expect(Vxlan.open({ sockets: nodeSockets, clock: hostClock(), address: '127.0.0.1', port: socket.address().port })).rejects.toMatchObject({ code: 'network-listen' })
    socket.close()
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VirtioNet } from '../../src/net/index.ts'
import * as spec from '../../src/net/spec.ts'
import { FakeChain } from '../support/fake-queue.ts'
import { ALL, Card, FakePort, HEADER, header, MAC, tcp4 } from './card.ts'

const NONE = { checksum: false, tso4: false, tso6: false, uso: false }
const BROADCAST = new Uint8Array(6).fill(0xff)

describe('transmission', () => {
  test('a frame goes to the port as it is, the buffer back', () => {
    const card = new Card()
    card.transmit(HEADER, tcp4(100))
    expect(card.port.sent).toEqual([{ frame: tcp4(100), unfinished: undefined }])
    expect(card.queues[1]!.used[0]!.written).toBe(0)
    expect(card.queues[1]!.published).toBe(1)
  })

  test('checksum and segmentation are left to the port, with the headers measured', () => {
    const card = new Card()
    card.transmit(header(spec.HDR_GSO_NONE, 0, 34, 16), tcp4(100))
    card.transmit(header(spec.HDR_GSO_TCPV4, 1448, 34, 16), tcp4(5000))
    card.transmit(header(spec.HDR_GSO_UDP_L4, 1000, 34, 6), tcp4(5000))
    const checksum = { start: 34, offset: 16 }
    expect(card.port.sent.map((s) => s.unfinished)).toEqual([
      { checksum, segmentation: undefined },
      { checksum, segmentation: { kind: 'tcp4', size: 1448, headerLength: 54 } },
      { checksum: { start: 34, offset: 6 }, segmentation: { kind: 'udp', size: 1000, headerLength: 42 } },
    ])
  })

  test('what contradicts the frame or was not negotiated is dropped', () => {
    const card = new Card({ offloads: { ...ALL, tso6: false } })
    const wrong = [
      header(0, 0, 150, 16), header(0, 0, 0, 0), header(spec.HDR_GSO_TCPV4, 0, 34, 16), header(spec.HDR_GSO_TCPV6, 1000, 34, 16), header(7, 1000, 34, 16),
      header(spec.HDR_GSO_TCPV4, 1000, 130, 16), [0, spec.HDR_GSO_TCPV4, ...HEADER.slice(2)],
    ]
    for (const h of wrong) card.transmit(h, tcp4(100))
    card.transmit([], new Uint8Array(11))
    card.transmit(HEADER, new Uint8Array(13))
    card.transmit(HEADER, new Uint8Array(spec.MAX_FRAME + 1))
    expect(card.port.sent).toEqual([])
    expect(card.device.dropped).toBe(wrong.length + 3)
    expect(card.queues[1]!.used).toHaveLength(wrong.length + 3)
    expect(card.host.failures).toEqual([])
  })

  test('offers what the port takes', () => {
    const features = (offloads: typeof ALL): bigint => new VirtioNet({ mac: MAC, port: new FakePort(offloads) }).features
    const host = spec.F_CSUM | spec.F_HOST_TSO4 | spec.F_HOST_TSO6 | spec.F_HOST_USO
    expect(features(ALL) & host).toBe(host)
    expect(features(NONE) & host).toBe(0n)
    expect(features({ ...NONE, checksum: true, tso4: true }) & host).toBe(spec.F_CSUM | spec.F_HOST_TSO4)
  })
})

describe('reception', () => {
  test('the header, then the frame', () => {
    const card = new Card()
    const chain = card.give(0, new FakeChain(undefined, 2000))
    const unfinished = { checksum: { start: 34, offset: 16 }, segmentation: { kind: 'tcp6' as const, size: 1440, headerLength: 54 } }
    card.port.deliver(tcp4(60), unfinished)
    expect([...chain.answer.subarray(0, 12)]).toEqual([1, 4, 54, 0, 1440 & 0xff, 1440 >> 8, 34, 0, 16, 0, 1, 0])
    expect(chain.answer.subarray(12)).toEqual(tcp4(60))
  })

  test('a frame is spread over buffers, all but the last full', () => {
    const card = new Card()
    const chains = [20, 0, 100, 1000, 1000].map((size) => card.give(0, new FakeChain(undefined, size)))
    card.port.deliver(tcp4(500))
    expect(chains.map((chain) => chain.written)).toEqual([20, 0, 100, 446, undefined])
    expect(chains[0]!.answer[spec.HDR_NUM_BUFFERS]).toBe(4)
    const whole = chains.slice(0, 4).flatMap((chain) => [...chain.answer])
    expect(whole.slice(12)).toEqual([...tcp4(500)])
    expect(card.queues[0]!.published).toBe(4)
  })

  test('without room the port waits, until the driver has given enough', () => {
    const card = new Card()
    expect(card.queues[0]!.notifications).toBe(false)
    const first = card.give(0, new FakeChain(undefined, 300))
    expect(card.port.deliver(tcp4(500))).toBe(false)
    expect(card.queues[0]!.notifications).toBe(true)
    card.give(0, new FakeChain(undefined, 100))
    expect(card.port.waiting).toHaveLength(1)
    card.give(0, new FakeChain(undefined, 1000))
    expect(card.port.waiting).toHaveLength(0)
    expect(first.written).toBe(300)
    expect(card.queues[0]!.used).toHaveLength(3)
    expect(card.port.deliver(tcp4(1))).toBe(false)
    card.give(0, new FakeChain(undefined, 100))
    expect(card.queues[0]!.notifications).toBe(false)
  })

  test('a driver that can never give enough loses the frame', () => {
    const card = new Card({ queueSize: 64 })
    for (let n = 0; n < 256; n++) card.queues[0]!.available.push(new FakeChain(undefined, 12))
    expect(card.port.deliver(tcp4(5000))).toBe(true)
    const plain = new Card({}, spec.F_MRG_RXBUF)
    plain.give(0, new FakeChain(undefined, 100))
    expect(plain.port.deliver(tcp4(500))).toBe(true)
    expect([card.device.dropped, plain.device.dropped]).toEqual([1, 1])
    expect(plain.port.deliver(tcp4(0))).toBe(true)
    expect(plain.queues[0]!.used[0]!.answer).toHaveLength(66)
  })

  test('a buffer shorter than the header fails the device', () => {
    const card = new Card()
    card.give(0, new FakeChain(undefined, 5))
    card.give(0, new FakeChain(undefined, 500))
    card.port.deliver(tcp4(5))
    expect(card.host.failures).toHaveLength(1)
  })

  test('accepts what was negotiated, and what the driver switches', () => {
    const card = new Card()
    expect(card.port.accepts).toEqual(ALL)
    expect(card.command(spec.CTRL_GUEST_OFFLOADS, 0, 1 << 1 | 1 << 7, 0, 0, 0, 0, 0, 0, 0)).toBe(0)
    expect(card.port.accepts).toEqual({ ...NONE, checksum: true, tso4: true })
    expect(card.command(spec.CTRL_GUEST_OFFLOADS, 0, 0, 4, 0, 0, 0, 0, 0, 0)).toBe(1)
    card.device.reset()
    expect(card.port.accepts).toEqual(NONE)
    expect(new Card({}, spec.F_GUEST_CSUM).port.accepts).toEqual(NONE)
    expect(new Card({}, spec.F_GUEST_USO6).port.accepts).toEqual({ ...ALL, uso: false })
  })

  test('an answer that comes while sending is published with the rest', () => {
    const card = new Card()
    for (let n = 0; n < 4; n++) card.give(0, new FakeChain(undefined, 200))
    card.port.answer = () => {
      card.port.deliver(tcp4(10))
      expect(card.queues[0]!.published).toBe(0)
    }
    card.queues[1]!.available.push(...Array.from({ length: 3 }, () => new FakeChain(new Uint8Array([...HEADER, ...tcp4(10)]))))
    card.device.notified(1)
    expect(card.queues[0]!.published).toBe(3)
  })

  test('without a driver frames are lost, with one that leaves too', () => {
    const card = new Card()
    expect(card.port.deliver(tcp4(1))).toBe(false)
    for (const queue of card.queues) queue.kill()
    card.device.reset()
    expect(card.port.waiting).toHaveLength(0)
    expect(card.port.deliver(tcp4(1))).toBe(true)
  })

  test('no longer than the MTU, when that was negotiated', () => {
    const card = new Card({ mtu: 1000 })
    expect(card.config.getUint16(spec.CONFIG_MTU, true)).toBe(1000)
    card.give(0, new FakeChain(undefined, 9000))
    expect(card.port.deliver(tcp4(1000))).toBe(true)
    expect(card.device.dropped).toBe(1)
    card.port.deliver(tcp4(5000), { checksum: { start: 34, offset: 16 }, segmentation: { kind: 'tcp4', size: 900, headerLength: 54 } })
    expect(card.queues[0]!.used).toHaveLength(1)
  })
})

describe('filtering', () => {
  const received = (card: Card, frame: Uint8Array): boolean => {
    const before = card.queues[0]!.used.length
    card.queues[0]!.available.push(new FakeChain(undefined, 2000))
    card.port.deliver(frame)
    const after = card.queues[0]!.used.length
    card.queues[0]!.available.length = 0
    return after > before
  }
  const to = (...bytes: number[]): Uint8Array => tcp4(10, { to: Uint8Array.from(bytes) })

  test('by address', () => {
    const card = new Card()
    const other = to(0x52, 0x54, 0, 0, 0, 9)
    const group = to(1, 0, 0x5e, 0, 0, 1)
    expect([tcp4(10), tcp4(10, { to: BROADCAST }), other, group].map((f) => received(card, f))).toEqual([true, true, false, false])
    expect(card.command(spec.CTRL_MAC, spec.CTRL_MAC_TABLE_SET, 1, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1)).toBe(0)
    expect([other, group, to(0x52, 0x54, 0, 0, 0, 8), to(1, 0, 0x5e, 0, 0, 2)].map((f) => received(card, f))).toEqual([true, true, false, false])
    expect(card.command(spec.CTRL_MAC, spec.CTRL_MAC_ADDR_SET, 0x52, 0x54, 0, 0, 0, 8)).toBe(0)
    expect([...card.device.config.subarray(0, 6)]).toEqual([0x52, 0x54, 0, 0, 0, 8])
    expect([to(0x52, 0x54, 0, 0, 0, 8), tcp4(10)].map((f) => received(card, f))).toEqual([true, false])
    expect(received(new Card({}, spec.F_CTRL_RX), other)).toBe(true)
  })

  test('by mode', () => {
    const unicast = to(2, 2, 2, 2, 2, 2)
    const multicast = to(3, 3, 3, 3, 3, 3)
    const broadcast = tcp4(10, { to: BROADCAST })
    const seen = (...modes: number[]): boolean[] => {
      const card = new Card()
      for (const mode of modes) expect(card.command(spec.CTRL_RX, mode, 1)).toBe(0)
      return [tcp4(10), unicast, multicast, broadcast].map((f) => received(card, f))
    }
    expect(seen(spec.CTRL_RX_PROMISC)).toEqual([true, true, true, true])
    expect(seen(spec.CTRL_RX_ALLMULTI)).toEqual([true, false, true, true])
    expect(seen(spec.CTRL_RX_ALLUNI)).toEqual([true, true, false, true])
    expect(seen(spec.CTRL_RX_ALLMULTI, spec.CTRL_RX_NOMULTI)).toEqual([true, false, false, true])
    expect(seen(spec.CTRL_RX_ALLUNI, spec.CTRL_RX_NOUNI)).toEqual([false, false, false, true])
    expect(seen(spec.CTRL_RX_NOBCAST)).toEqual([true, false, false, false])
  })

  test('by VLAN', () => {
    const tagged = (vlan: number): Uint8Array => {
      const frame = tcp4(10)
      frame.set([0x81, 0, vlan >> 8, vlan], 12)
      return frame
    }
    const card = new Card()
    expect(received(card, tagged(5))).toBe(false)
    card.command(spec.CTRL_VLAN, spec.CTRL_VLAN_ADD, 5, 0)
    expect([5, 6].map((vlan) => received(card, tagged(vlan)))).toEqual([true, false])
    card.command(spec.CTRL_VLAN, spec.CTRL_VLAN_DEL, 5, 0)
    expect(received(card, tagged(5))).toBe(false)
    expect(card.command(spec.CTRL_VLAN, spec.CTRL_VLAN_ADD, 0, 16)).toBe(1)
    expect(received(new Card({}, spec.F_CTRL_VLAN), tagged(5))).toBe(true)
  })

  test('more addresses than are kept let all of the kind pass', () => {
    const card = new Card()
    const addresses = Array.from({ length: 65 }, (_, n) => [2, 0, 0, 0, 1, n]).flat()
    expect(card.command(spec.CTRL_MAC, 0, 65, 0, 0, 0, ...addresses, 0, 0, 0, 0)).toBe(0)
    expect([to(2, 9, 9, 9, 9, 9), to(3, 9, 9, 9, 9, 9)].map((f) => received(card, f))).toEqual([true, false])
  })
})

describe('several queues', () => {
  test('a flow comes back on the pair it went out on', () => {
    const card = new Card({ queuePairs: 4 })
    expect(card.config.getUint16(spec.CONFIG_MAX_VIRTQUEUE_PAIRS, true)).toBe(4)
    for (let pair = 0; pair < 4; pair++) for (let n = 0; n < 8; n++) card.give(2 * pair, new FakeChain(undefined, 200))
    expect([0, 5].map((n) => card.command(spec.CTRL_MQ, 0, n, 0))).toEqual([1, 1])
    expect(card.command(spec.CTRL_MQ, 0, 4, 0)).toBe(0)
    for (let pair = 0; pair < 4; pair++) {
      card.transmit(HEADER, tcp4(1, { sourcePort: 1000 + pair, from: 1 }), 2 * pair + 1)
      card.port.deliver(tcp4(1, { sourcePort: 80, port: 1000 + pair, from: 2 }))
    }
    expect([0, 2, 4, 6].map((index) => card.queues[index]!.used.length)).toEqual([1, 1, 1, 1])
    card.command(spec.CTRL_MQ, 0, 1, 0)
    for (let pair = 0; pair < 4; pair++) card.port.deliver(tcp4(1, { sourcePort: 80, port: 1000 + pair, from: 2 }))
    expect(card.queues[0]!.used).toHaveLength(5)
  })

  test('without MQ the control queue is the third', () => {
    const card = new Card({ queuePairs: 4 }, spec.F_MQ)
    expect(card.give(2, new FakeChain(Uint8Array.of(spec.CTRL_RX, 0, 1), 1)).answer[0]).toBe(0)
    card.give(8, new FakeChain(Uint8Array.of(spec.CTRL_RX, 0, 1), 1))
    expect(card.queues[8]!.used).toHaveLength(0)
  })

  test('what waits for a queue that is reset goes on when it is enabled again', () => {
    const card = new Card()
    card.port.deliver(tcp4(1))
    card.queues[0]!.kill()
    card.device.resetQueue(0)
    expect(card.port.waiting).toHaveLength(1)
    card.queues[0]!.available.push(new FakeChain(undefined, 200))
    card.device.enabledQueue(0)
    expect(card.queues[0]!.used).toHaveLength(1)
  })
})

test('link and announcement are told by the status', () => {
  const card = new Card()
  const status = (): number => card.config.getUint16(spec.CONFIG_STATUS, true)
  expect(status()).toBe(1)
  card.port.setLink(false)
  card.device.announce()
  expect([status(), card.host.configChanges]).toEqual([2, 2])
  expect(card.command(spec.CTRL_ANNOUNCE, 0)).toBe(0)
  card.port.setLink(true)
  expect([status(), card.host.configChanges]).toEqual([1, 3])
})

test('saved state is what commands made of it', () => {
  const card = new Card({ queuePairs: 2 })
  card.command(spec.CTRL_RX, spec.CTRL_RX_ALLMULTI, 1)
  card.command(spec.CTRL_MQ, 0, 2, 0)
  card.command(spec.CTRL_VLAN, 0, 7, 0)
  card.command(spec.CTRL_MAC, 1, 2, 2, 2, 2, 2, 2)
  card.command(spec.CTRL_GUEST_OFFLOADS, 0, 2, 0, 0, 0, 0, 0, 0, 0)
  const state = structuredClone(card.device.save())
  const other = new Card({ queuePairs: 2 })
  other.device.reset()
  other.device.restore(state)
  expect(other.device.save()).toEqual(state)
  other.device.activate(other.device.features, other.queues)
  expect(other.port.accepts).toEqual({ ...NONE, checksum: true })
  expect(other.device.save()).toEqual(state)
  for (const wrong of [undefined, {}, { ...state, pairs: 3 }, { ...state, filter: { ...state.filter, vlans: [] } }]) {
    expect(() => other.device.restore(wrong as typeof state)).toThrow('saved state')
  }
})

test('options that cannot be are refused', () => {
  const port = new FakePort()
  for (const wrong of [{ mac: new Uint8Array(5) }, { mac: BROADCAST }, { queuePairs: 0 }, { queueSize: 100 }, { mtu: 20 }]) {
    expect(() => new VirtioNet({ port, mac: MAC, ...wrong })).toThrow()
  }
})

test('whatever a driver does, buffers come back once and nothing throws', () => {
  const action = fc.oneof(
    fc.record({ queue: fc.nat(4), readable: fc.uint8Array({ maxLength: 120 }), writable: fc.nat(200) }),
    fc.record({ command: fc.tuple(fc.nat(6), fc.nat(6)), data: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ frame: fc.integer({ min: 14, max: 3000 }), gso: fc.boolean() }),
    fc.constant('reset' as const),
  )
  fc.assert(fc.property(fc.array(action, { maxLength: 60 }), fc.bigInt(0n, (1n << 57n) - 1n), (actions, without) => {
    const card = new Card({ queuePairs: 2, queueSize: 64 }, without)
    let given = 0
    const give = (index: number, chain: FakeChain): void => {
      given++
      card.give(index, chain)
    }
    for (const a of actions) {
      if (a === 'reset') {
        for (const queue of card.queues) queue.kill()
        card.device.reset()
        card.device.activate(card.device.features & ~without, card.queues)
      } else if ('queue' in a) give(a.queue, new FakeChain(a.readable, a.writable))
      else if ('command' in a) give(4, new FakeChain(Uint8Array.of(...a.command, ...a.data), 1))
      else card.port.deliver(tcp4(a.frame - 14), a.gso ? { checksum: { start: 34, offset: 16 }, segmentation: undefined } : undefined)
    }
    expect(card.queues.reduce((sum, queue) => sum + queue.used.length, 0)).toBeLessThanOrEqual(given)
  }), { numRuns: 300 })
})

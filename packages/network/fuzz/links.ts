import type { FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FrameStream, FrameWriter } from '../src/links/frame-stream.ts'
import type { DatagramListener, HostSockets } from '../src/nat/index.ts'
import { capturePort } from '../src/pcap/index.ts'
import { createCable, EthernetSwitch, joinPorts } from '../src/switch/index.ts'
import type { PortVlan, SwitchPort } from '../src/switch/index.ts'
import { Vxlan } from '../src/vxlan/index.ts'
import { frame, ManualClock } from '../test/support/devices.ts'

class Failure extends CodedError {
  constructor(what: string) {
    super('fuzz-failure', what)
  }
}

type Random = (below: number) => number

function choices(seed: number): Random {
  let state = seed | 0
  return (below) => {
    state = (state + 0x9e37_79b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below
  }
}

const pick = <T>(random: Random, values: readonly T[]): T => values[random(values.length)]!
const anyBytes = (random: Random, length: number): Uint8Array => Uint8Array.from({ length }, () => random(256))

/** A frame with addresses of few stations, often an IPv4 packet with TCP or UDP in it, with or without a tag; or just bytes. */
function anyFrame(random: Random): Uint8Array {
  if (random(8) === 0) return anyBytes(random, random(100))
  const tag = random(3) === 0 ? { tag: pick(random, [0, 1, 5, 10, 0x6005, 0xfff, random(0x10000)]) } : {}
  const bytes = frame(pick(random, [2, 4, 6, 8, 0xffff_ffff_ffff, 0x0180_c200_0003]), pick(random, [2, 4, 6, 8, 0x0100_0000_0001, random(1000) * 2]), '', {
    ...tag, type: pick(random, [0x0800, 0x86dd, 0x8100, 0x88b5]), length: pick(random, [14, 18, 60, 200, 1514, 3000, 65_550, 14 + random(70_000)])
  })
  const ip = 'tag' in tag ? 18 : 14
  if (bytes.length >= ip + 40) bytes.set([0x45, 0, (bytes.length - ip) >> 8, bytes.length - ip, 0, 0, 0, 0, 64, pick(random, [6, 17])], ip)
  if (bytes.length >= ip + 40) bytes[ip + 32] = random(256)
  return bytes
}

function anyHints(random: Random): UnfinishedFrame | undefined {
  const near = (value: number): number => random(6) === 0 ? random(70_000) : value
  if (random(2) === 0) return undefined
  return {
    checksum: random(4) === 0 ? undefined : { start: near(34), offset: near(16) },
    segmentation: random(2) === 0 ? undefined : { kind: pick(random, ['tcp4', 'tcp6', 'udp'] as const), size: near(1000), headerLength: near(54) }
  }
}

/** A device that takes frames when it likes, answers some at once, and checks what it gets. */
function plug(port: NetworkPort, random: Random): void {
  const accepts = (): FrameOffloads => ({ checksum: random(2) === 0, tso4: random(2) === 0, tso6: random(2) === 0, uso: random(2) === 0 })
  let now = accepts()
  const listener = (bytes: Uint8Array, unfinished?: UnfinishedFrame): boolean => {
    if (bytes.length < 14 || bytes.length > 65_550 + 4) throw new Failure(`a frame of ${bytes.length} bytes`)
    if (unfinished?.checksum && !now.checksum) throw new Failure('a frame without its checksum for who takes none')
    if (unfinished?.segmentation && !now[({ tcp4: 'tso4', tcp6: 'tso6', udp: 'uso' } as const)[unfinished.segmentation.kind]]) throw new Failure('segments to be cut for who cuts none')
    if (random(16) === 0) port.send(anyFrame(random), anyHints(random))
    if (random(32) === 0) {
      now = accepts()
      port.onReceive(listener, now)
    }
    return random(6) !== 0
  }
  port.onReceive(listener, now)
}

/** Frames of any kind through switches in a loop, a cable and a capture. */
function fuzzSwitch(random: Random, steps: number): void {
  const clock = new ManualClock()
  const lans = [new EthernetSwitch({ clock, capacity: 64 }), new EthernetSwitch({ clock, capacity: 64 })]
  const vlan = (): PortVlan => pick<PortVlan>(random, [{ mode: 'access', id: 5 }, { mode: 'trunk' }, { mode: 'trunk', native: 5, allowed: [10] }, { mode: 'trunk', native: 1 }])
  const switchPort = (): SwitchPort => pick(random, lans).createPort({
    vlan: vlan(), isolated: random(3) === 0, mirror: random(6) === 0, queue: { packets: 16, bytes: 1 << 18 },
    ...(random(3) === 0 ? { fromDevice: { bitsPerSecond: 1e6 } } : {}), ...(random(3) === 0 ? { toDevice: { bitsPerSecond: 1e5, burstBytes: 2000 } } : {})
  })
  const owned = Array.from({ length: 5 }, switchPort)
  let captured = 0
  const ports = owned.map((port, index): NetworkPort => index === 0 ? capturePort(port, { clock, write: (bytes) => void (captured += bytes.length), snaplen: 100 }) : port)
  for (const port of ports) plug(port, random)
  // One way between the switches, and now and then another: a loop.
  for (let count = random(3); count > 0; count--) {
    const [a, b] = createCable(clock)
    joinPorts(lans[0]!.createPort({ fromDevice: { bitsPerSecond: 1e6 } }), a)
    joinPorts(lans[1]!.createPort(), b)
  }
  for (let step = 0; step < steps; step++) {
    const at = random(ports.length)
    const action = random(16)
    if (action === 0) clock.advance(random(10_000_000), 100)
    else if (action === 1) ports[at]!.resume()
    else if (action === 2) owned[at]!.setLink(random(4) !== 0)
    else ports[at]!.send(anyFrame(random), anyHints(random))
    for (const lan of lans) if (lan.addresses > 64) throw new Failure(`${lan.addresses} addresses are held`)
    if (clock.timers.length > 64) throw new Failure(`${clock.timers.length} timers are running`)
  }
}

/** Datagrams of any kind, and frames, through two networks of a tunnel end point. */
async function fuzzVxlan(random: Random, steps: number): Promise<void> {
  const clock = new ManualClock()
  let received: DatagramListener = () => undefined
  const sockets = { bind: (_address: unknown, port: number, listener: DatagramListener) => {
    received = listener
    return Promise.resolve({ port, close: () => undefined, send: (bytes: Uint8Array) => {
      if (bytes.length < 22 || (bytes[0]! & 8) === 0) throw new Failure('a datagram that is no VXLAN is sent')
    } })
  } } as unknown as HostSockets
  const remotes = [{ address: '192.0.2.1', port: 4789 }, { address: '192.0.2.2', port: 4789 }]
  const vxlan = await Vxlan.open({ sockets, clock })
  const ports = [0, 5].map((vni) => vxlan.createPort({ vni, remotes, innerVlans: vni === 5 }).port)
  for (const port of ports) plug(port, random)
  for (let step = 0; step < steps; step++) {
    if (random(3) === 0) pick(random, ports).send(anyFrame(random), anyHints(random))
    else {
      const inner = anyFrame(random)
      const bytes = Uint8Array.from([random(8) ? 8 : random(256), 0, 0, 0, 0, 0, pick(random, [0, 5, random(256)]), 0, ...inner.subarray(0, 2000)])
      received(random(8) ? bytes : bytes.subarray(0, random(bytes.length)), pick(random, [...remotes, { address: '192.0.2.3', port: 1 }]))
    }
    if (random(8) === 0) pick(random, ports).resume()
    clock.advance(random(1e9), 100)
  }
}

/** Frames on a stream that is cut anywhere and spoilt now and then. */
function fuzzStream(random: Random, steps: number): void {
  const writer = new FrameWriter()
  let stream = new FrameStream(() => undefined)
  let sound = true
  let waiting: Uint8Array[] = []
  const renew = (): void => {
    waiting = []
    sound = true
    stream = new FrameStream((got) => {
      if (got.length < 14 || got.length > 65_550) throw new Failure(`a frame of ${got.length} bytes`)
      const sent = waiting.shift()
      if (sound && (sent === undefined || sent.length !== got.length || sent.some((byte, index) => byte !== got[index]))) throw new Failure('another frame than was sent')
    })
  }
  renew()
  for (let step = 0; step < steps; step++) {
    const bytes = anyFrame(random).subarray(0, 65_550)
    if (bytes.length >= 14) waiting.push(bytes)
    const framed = writer.framed(bytes).slice()
    if (random(32) === 0) {
      framed[random(framed.length)] = random(256)
      sound = false
    }
    for (let at = 0; at < framed.length;) {
      const end = at + 1 + random(pick(random, [4, 100, 70_000]))
      if (!stream.push(framed.subarray(at, end))) {
        renew()
        break
      }
      at = end
    }
    if (!sound && random(8) === 0) renew()
  }
}

export const LINK_FUZZERS: Readonly<Record<string, (seed: number, steps: number) => void | Promise<void>>> = {
  'switch': (seed, steps) => fuzzSwitch(choices(seed), steps),
  'vxlan': (seed, steps) => fuzzVxlan(choices(seed), steps),
  'frame-stream': (seed, steps) => fuzzStream(choices(seed), steps)
}

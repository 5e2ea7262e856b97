import { readFileSync } from 'node:fs'
import type { Clock, FrameOffloads, Timer, UnfinishedFrame } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import {
  ETHERTYPE, EthernetView, IP_PROTOCOL, IcmpView, Ipv4View, Ipv6View, Reassembler, TcpView, UdpView, UserNat, dnsFailure, finishFrame, formatIp, openPolicy, parseGuestForward,
  parseHostForward, putChecksum, readArp, readDhcp, readDhcpv6, readDns, readNeighborMessage, tryParseIp, writeDhcp, writeDhcpv6,
} from '../src/index.ts'
import type { HostSockets, HostStream, HostStreamEvents, StreamFailure } from '../src/index.ts'
import { mutate, seeded } from './mutate.ts'
import type { Choice } from './mutate.ts'

/** Takes inputs made from those of its corpus; throws what is a bug. */
interface Target {
  readonly corpus: string
  create(choice: Choice): (input: Uint8Array) => void
}

function corpus(name: string): Uint8Array[] {
  const text = readFileSync(new URL(`corpus/${name}.hex`, import.meta.url), 'utf8')
  return text.split('\n').filter((line) => line !== '').map((line) => Uint8Array.from(Buffer.from(line, 'hex')))
}

const wrong = (what: string): CodedError => new CodedError('fuzz-failure', what)

const HINTS: readonly NonNullable<UnfinishedFrame['segmentation']>['kind'][] = ['tcp4', 'tcp6', 'udp']
/** What a hostile driver might say about a frame. */
function hints(choice: Choice): UnfinishedFrame | undefined {
  const number = (): number => [0, 14, 34, 54, choice(70_000), -choice(100), NaN, 2 ** 31][choice(8)]!
  if (choice(3) === 0) return undefined
  return {
    checksum: choice(2) === 0 ? undefined : { start: number(), offset: [6, 16, number()][choice(3)]! },
    segmentation: choice(2) === 0 ? undefined : { kind: HINTS[choice(3)]!, size: [1460, number()][choice(2)]!, headerLength: number() },
  }
}

/** Looks at a frame as far as its layers go; true if every one of them was well formed. */
function dissect(frame: Uint8Array, verify: boolean, reassembler?: Reassembler): boolean {
  const ethernet = new EthernetView()
  if (!ethernet.read(frame)) return false
  if (ethernet.type === ETHERTYPE.ARP) return readArp(frame, ethernet.payload) !== undefined
  const ip = ethernet.type === ETHERTYPE.IPV6 ? new Ipv6View() : new Ipv4View()
  if (!ip.read(frame, ethernet.payload, frame.length)) return false
  if (ip.payload < 0 || ip.payload > ip.end || ip.end > frame.length) throw wrong(`a packet from ${ip.payload} to ${ip.end} of ${frame.length}`)
  const packet = ip.fragmented ? reassembler?.add(ip, 0) : ip
  if (packet === undefined) return true
  if (packet.protocol === IP_PROTOCOL.TCP) {
    const tcp = new TcpView()
    if (!tcp.read(packet, verify)) return false
    tcp.options()
    if (tcp.payload > tcp.end || tcp.end > packet.bytes.length) throw wrong(`a segment from ${tcp.payload} to ${tcp.end}`)
  } else if (packet.protocol === IP_PROTOCOL.UDP) return new UdpView().read(packet, verify)
  else if (packet.protocol === IP_PROTOCOL.ICMP || packet.protocol === IP_PROTOCOL.ICMPV6) {
    const icmp = new IcmpView()
    if (!icmp.read(packet)) return false
    readNeighborMessage(icmp)
  }
  return true
}

/** Header checksums of IPv4 made right again, or most mutations would end there. */
function repair(frame: Uint8Array): void {
  if (frame.length < 34 || frame[12] !== 8 || frame[13] !== 0 || frame[14]! >> 4 !== 4) return
  const header = (frame[14]! & 15) * 4
  if (header >= 20 && 14 + header <= frame.length) putChecksum(frame, 24, 14, 14 + header)
}

class FuzzClock implements Clock {
  time = 0
  timers: { at: number; call: () => void }[] = []
  now(): number {
    return this.time
  }
  wallClock(): number {
    return 0
  }
  schedule(at: number, call: () => void): Timer {
    const timer = { at, call }
    this.timers.push(timer)
    return { cancel: () => void (this.timers = this.timers.filter((each) => each !== timer)) }
  }
  advance(ns: number): void {
    const end = this.time + ns
    for (let steps = 0; ; steps++) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      if (steps > 100_000) throw wrong('timers without end')
      this.timers = this.timers.filter((timer) => timer !== next)
      this.time = Math.max(this.time, next.at)
      next.call()
    }
    this.time = end
  }
}

/** A host whose sockets do anything at any time. */
class FuzzHost implements HostSockets {
  streams: { stream: HostStream; events: HostStreamEvents; opened: boolean; ended: boolean; paused: boolean }[] = []
  listeners: ((bytes: Uint8Array, from: { address: string; port: number }) => void)[] = []
  accept: ((stream: HostStream, from: { address: string; port: number }) => HostStreamEvents) | undefined
  readonly choice: Choice
  readonly echo = undefined

  constructor(choice: Choice) {
    this.choice = choice
  }

  #stream(): { stream: HostStream; entry: { stream: HostStream; events: HostStreamEvents; opened: boolean; ended: boolean; paused: boolean } } {
    const host = this
    let pending = 0
    const stream: HostStream = {
      write: (bytes) => void (pending += host.choice(3) === 0 ? bytes.length : 0),
      get pending() {
        return pending
      },
      end: () => undefined,
      reset: () => void (host.streams = host.streams.filter((each) => each !== entry)),
      pause: () => void (entry.paused = true),
      resume: () => void (entry.paused = false),
    }
    const entry = { stream, events: undefined as unknown as HostStreamEvents, opened: false, ended: false, paused: false }
    Object.assign(stream, { drain: () => (pending = 0) })
    return { stream, entry }
  }

  connect(_to: unknown, events: HostStreamEvents): HostStream {
    const { stream, entry } = this.#stream()
    entry.events = events
    this.streams.push(entry)
    if (this.streams.length > 200) this.streams.shift()
    return stream
  }

  dial(): void {
    const { stream, entry } = this.#stream()
    const events = this.accept!(stream, { address: '127.0.0.1', port: 1 + this.choice(60_000) })
    entry.events = events
    entry.opened = true
    this.streams.push(entry)
  }

  act(): void {
    const { choice } = this
    const entry = this.streams[choice(this.streams.length)]
    if (entry === undefined) return
    const failures: StreamFailure[] = ['refused', 'unreachable', 'timeout', 'reset']
    if (!entry.opened && choice(4) > 0) {
      entry.opened = true
      return entry.events.opened()
    }
    if (choice(20) === 0) {
      this.streams = this.streams.filter((each) => each !== entry)
      return entry.events.failed(failures[choice(4)]!)
    }
    if (!entry.opened) return
    if (choice(4) === 0) {
      (entry.stream as unknown as { drain(): void }).drain()
      entry.events.drained()
    } else if (!entry.ended && !entry.paused && choice(4) > 0) entry.events.data(new Uint8Array(choice(65536)))
    else if (!entry.ended && choice(10) === 0) {
      entry.ended = true
      entry.events.ended()
    }
  }

  listen(_address: unknown, port: number, accept: FuzzHost['accept']): Promise<{ port: number; close(): void }> {
    this.accept = accept
    return Promise.resolve({ port, close: () => undefined })
  }

  datagrams(_version: 4 | 6, received: (bytes: Uint8Array, from: { address: string; port: number }) => void): { port: number; send(): void; close(): void } {
    this.listeners.push(received)
    if (this.listeners.length > 20) this.listeners.shift()
    return { port: 0, send: () => undefined, close: () => undefined }
  }

  bind(): Promise<{ port: number; send(): void; close(): void }> {
    return Promise.resolve({ port: 1, send: () => undefined, close: () => undefined })
  }

  isOwn(address: string): boolean {
    return address === '127.0.0.1'
  }

  nameservers(): { address: string; port: number }[] {
    return this.choice(2) === 0 ? [] : [{ address: '192.0.2.1', port: 53 }]
  }
}

const LIMITS = { connections: 64, halfOpen: 32, associations: 16, memory: 4 << 20 }
/** Beyond the budget each connection may still have its smallest buffers and one read of the host. */
const MAX_MEMORY = LIMITS.memory + LIMITS.connections * (4 << 16)

function natTarget(choice: Choice): (input: Uint8Array) => void {
  const clock = new FuzzClock()
  const host = new FuzzHost(choice)
  const nat = new UserNat({ clock, sockets: host, random: { nextU32: () => choice(2 ** 32) }, policy: openPolicy, limits: LIMITS })
  void nat.forwardToGuest({ protocol: 'tcp', hostAddress: undefined, hostPort: 1, guestAddress: undefined, guestPort: 22 })
  let room = true
  let depth = 0
  let accepts: FrameOffloads = { checksum: true, tso4: true, tso6: true, uso: true }
  const listen = (): void => nat.port.onReceive((frame, unfinished) => {
    if (!room) return false
    if (frame.length < 14 || frame.length > 65_550) throw wrong(`a frame of ${frame.length} bytes`)
    if (unfinished !== undefined && !accepts.checksum) throw wrong('an unfinished frame for who takes none')
    for (const each of unfinished === undefined ? [frame] : finishFrame(frame, unfinished)) if (!dissect(each, true)) throw wrong(`a malformed frame ${Buffer.from(each).toString('hex')}`)
    // Answers of the guest, sometimes at once: the same segment back, with ports and addresses as they are, is mostly nonsense.
    if (depth < 3 && choice(8) === 0) {
      depth++
      nat.port.send(frame.slice(), unfinished)
      depth--
    }
    return true
  }, accepts)
  listen()
  return (input) => {
    repair(input)
    nat.port.send(input, choice(2) === 0 ? { checksum: { start: 34, offset: 16 }, segmentation: undefined } : hints(choice))
    const dice = choice(40)
    if (dice < 12) host.act()
    else if (dice === 12) clock.advance(choice(3) * 1e9)
    else if (dice === 13) room = false
    else if (dice === 14) {
      room = true
      nat.port.resume()
    } else if (dice === 15 && host.accept !== undefined) host.dial()
    else if (dice === 16) host.listeners[choice(host.listeners.length)]?.(input, { address: ['127.0.0.1', '192.0.2.1', 'x', 'fe80::1%eth0'][choice(4)]!, port: choice(65536) })
    else if (dice === 17) {
      accepts = choice(2) === 0 ? { checksum: false, tso4: false, tso6: false, uso: false } : { checksum: true, tso4: true, tso6: true, uso: true }
      listen()
    }
    const { connections, associations, memory } = nat.statistics
    if (connections > LIMITS.connections || associations > LIMITS.associations || memory > MAX_MEMORY || memory < 0) throw wrong(JSON.stringify(nat.statistics))
  }
}

/** Every parser that sees bytes of guests, hosts or other machines. */
const TARGETS: Readonly<Record<string, Target>> = {
  frames: {
    corpus: 'frames', create: (choice) => {
      const reassembler = new Reassembler()
      return (input) => {
        repair(input)
        dissect(input, choice(2) === 0, reassembler)
        if (reassembler.waiting > 2 << 20) throw wrong(`${reassembler.waiting} bytes wait`)
      }
    },
  },
  finish: {
    corpus: 'frames', create: (choice) => (input) => {
      const before = input.slice()
      const unfinished = hints(choice) ?? { checksum: undefined, segmentation: { kind: HINTS[choice(3)]!, size: 8 + choice(2000), headerLength: 54 } }
      const frames = finishFrame(input, unfinished)
      if (Buffer.compare(input, before) !== 0) throw wrong('the frame was changed')
      if (frames.some((frame) => frame.length > input.length)) throw wrong('a piece is larger than the whole')
    },
  },
  nat: { corpus: 'frames', create: natTarget },
  dhcp: {
    corpus: 'dhcp', create: () => (input) => {
      const message = readDhcp(input, 0, input.length)
      if (message === undefined) return
      const again = writeDhcp(message)
      if (readDhcp(again, 0, again.length)?.type !== message.type) throw wrong('what was read and written is another message')
    },
  },
  dhcpv6: {
    corpus: 'dhcpv6', create: () => (input) => {
      const message = readDhcpv6(input, 0, input.length)
      if (message !== undefined) readDhcpv6(writeDhcpv6(message), 0, input.length)
    },
  },
  dns: {
    corpus: 'dns', create: () => (input) => {
      readDns(input)
      const failure = dnsFailure(input, 2)
      if (failure !== undefined && readDns(failure) === undefined) throw wrong('a malformed failure')
    },
  },
  text: {
    corpus: 'text', create: () => (input) => {
      const text = String.fromCharCode(...input.subarray(0, 200))
      const address = tryParseIp(text)
      if (address !== undefined && tryParseIp(formatIp(address))?.join() !== address.join()) throw wrong(text)
      for (const parse of [parseHostForward, parseGuestForward]) {
        try {
          parse(text)
        } catch (error) {
          if (!(error instanceof CodedError)) throw error
        }
      }
    },
  },
}

/** Runs a target for `steps` inputs made by mistakes; the message of what it throws tells the one that failed. */
function fuzz(name: string, target: Target, seed: number, steps: number): void {
  const inputs = corpus(target.corpus)
  const choice = seeded(seed)
  const run = target.create(choice)
  for (let step = 0; step < steps; step++) {
    const input = mutate(inputs, choice)
    const text = Buffer.from(input).toString('hex')
    try {
      run(input)
    } catch (error) {
      throw new CodedError('fuzz-failure', `${name}: input ${step}, ${text}: ${String(error)}`, { cause: error })
    }
  }
}

export const PARSER_FUZZERS: Readonly<Record<string, (seed: number, steps: number) => void>> = Object.fromEntries(
  Object.entries(TARGETS).map(([name, target]) => [name, (seed, steps) => fuzz(name, target, seed, steps)]))

import type { Clock, FrameOffloads, NetworkPort, Timer, UnfinishedFrame } from '@entresol/interfaces'

/** A clock that moves when told. */
export class ManualClock implements Clock {
  time = 0
  timers: { at: number; call: () => void }[] = []
  now(): number { return this.time }
  wallClock(): number { return 1_800_000_000_000 + this.time / 1e6 }
  schedule(deadline: number, callback: () => void): Timer {
    const entry = { at: deadline, call: callback }
    this.timers.push(entry)
    return { cancel: () => { this.timers = this.timers.filter((timer) => timer !== entry) } }
  }
  /** Runs what falls due within `ns`; a chain of timers that schedule each other at once ends after `most`. */
  advance(ns: number, most = 100_000): void {
    const end = this.time + ns
    for (let ran = 0; ran < most; ran++) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.timers = this.timers.filter((timer) => timer !== next)
      this.time = Math.max(this.time, next.at)
      next.call()
    }
    this.time = end
  }
}

export const NONE: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }
export const ALL: FrameOffloads = { checksum: true, tso4: true, tso6: true, uso: true }

/** A station on a port: remembers what it gets, takes `room` frames before it says no. */
export class Station {
  readonly port: NetworkPort
  readonly mac: number
  got: { frame: Uint8Array; unfinished: UnfinishedFrame | undefined }[] = []
  room = Infinity
  links: boolean[] = []
  onFrame: ((frame: Uint8Array) => void) | undefined

  constructor(port: NetworkPort, mac: number, accepts: FrameOffloads = NONE) {
    this.port = port
    this.mac = mac
    port.onReceive((frame, unfinished) => {
      if (this.room <= 0) return false
      this.room--
      this.got.push({ frame: new Uint8Array(frame), unfinished })
      this.onFrame?.(frame)
      return true
    }, accepts)
    port.onLinkChange((up) => this.links.push(up))
  }

  /** The payloads' texts, and forgets them. */
  texts(): string[] {
    const texts = this.got.map(({ frame }) => text(frame))
    this.got = []
    return texts
  }

  say(to: number, what: string, options: FrameOptions = {}): void {
    this.port.send(frame(to, this.mac, what, options))
  }
}

export const BROADCAST = 0xffff_ffff_ffff

export interface FrameOptions {
  readonly tag?: number
  readonly type?: number
  readonly length?: number
}

function putMac(bytes: Uint8Array, offset: number, mac: number): void {
  for (let index = 5; index >= 0; index--) {
    bytes[offset + index] = mac % 256
    mac = Math.floor(mac / 256)
  }
}

/** A frame of a private EtherType with a text. */
export function frame(to: number, from: number, what: string, { tag, type = 0x88b5, length }: FrameOptions = {}): Uint8Array {
  const payload = new TextEncoder().encode(what)
  const header = tag === undefined ? 14 : 18
  const bytes = new Uint8Array(Math.max(length ?? 0, header + payload.length))
  putMac(bytes, 0, to)
  putMac(bytes, 6, from)
  if (tag !== undefined) bytes.set([0x81, 0, tag >> 8, tag & 0xff], 12)
  bytes.set([type >> 8, type & 0xff], header - 2)
  bytes.set(payload, header)
  return bytes
}

/** `TAG:text` for tagged frames (hexadecimal), `text` for others. */
export function text(bytes: Uint8Array): string {
  const tagged = bytes[12] === 0x81 && bytes[13] === 0
  const payload = new TextDecoder().decode(bytes.subarray(tagged ? 18 : 14)).replaceAll('\0', '')
  return tagged ? `${(bytes[14]! * 256 + bytes[15]!).toString(16)}:${payload}` : payload
}

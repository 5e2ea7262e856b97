import type { AccessSize, BusDevice, FrameListener, FrameOffloads, Gpa, InterruptLine, MappableBus, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import { MmioBus, PortBus } from '../../src/bus/index.ts'
import { PciBus } from '../../src/pci/index.ts'
import type { PciDevice } from '../../src/pci/index.ts'
import { ArrayMemory, RecordingLine } from './device-fakes.ts'

/** The far end of a link: what the adapter sent, and frames for it, kept while it has no room. */
export class FakeNetwork implements NetworkPort {
  readonly offloads: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }
  linkUp = true
  sent: Uint8Array[] = []
  kept: Uint8Array[] = []
  onSend: ((frame: Uint8Array) => void) | undefined
  #listener: FrameListener = () => true
  #linkListener: (up: boolean) => void = () => undefined
  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    if (unfinished) throw new Error('this end takes no unfinished frames')
    this.sent.push(frame.slice())
    this.onSend?.(frame)
  }
  onReceive(listener: FrameListener): void { this.#listener = listener }
  resume(): void {
    while (this.kept.length > 0 && this.#listener(this.kept[0]!)) this.kept.shift()
  }
  onLinkChange(listener: (up: boolean) => void): void { this.#linkListener = listener }
  deliver(frame: Uint8Array): void {
    this.kept.push(frame)
    this.resume()
  }
  setLink(up: boolean): void {
    this.linkUp = up
    this.#linkListener(up)
  }
}

/** A PCI function on a bus of its own: decoding and bus mastering on, INTA# to be seen. */
export class NicBench {
  readonly memory = new ArrayMemory(1 << 20)
  readonly line: InterruptLine & RecordingLine = new RecordingLine()
  readonly network = new FakeNetwork()

  plug(pci: PciDevice): void {
    const bus = new PciBus(new PortBus() as MappableBus, new MmioBus() as MappableBus)
    bus.onPirq((_pirq, asserted) => this.line.set(asserted))
    bus.attach(1, 0, pci)
    pci.writeConfig(4, 2, 7)
  }

  /** Little-endian words of any widths to memory. */
  poke(address: number, ...words: [size: 1 | 2 | 4, value: number][]): void {
    for (const [size, value] of words) {
      for (let index = 0; index < size; index++) this.memory.u8[address + index] = value >>> (8 * index)
      address += size
    }
  }

  peek(address: number, size: AccessSize): number {
    return size === 4 ? this.memory.readU32(address as Gpa) : size === 2 ? this.memory.readU16(address as Gpa) : this.memory.readU8(address as Gpa)
  }

  bytes(address: number, length: number): Uint8Array {
    return this.memory.u8.slice(address, address + length)
  }
}

export const reader = (device: BusDevice) => (offset: number, size: AccessSize = 4): number => {
  const value = device.read(offset, size)
  if (typeof value !== 'number') throw new Error(`${device.name}: ${value} at ${offset}`)
  return value
}

/** An Ethernet frame: destination, source 02:00:00:00:00:99, type, payload. */
export function ethernet(destination: Uint8Array, type: number, payload: Uint8Array, tag?: number): Uint8Array {
  return Uint8Array.from([
    ...destination, 2, 0, 0, 0, 0, 0x99, ...(tag === undefined ? [] : [0x81, 0, tag >> 8, tag & 0xff]), type >> 8, type & 0xff, ...payload
  ])
}

export const sum = (bytes: Uint8Array, initial = 0): number => {
  let total = initial
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return total
}

const SOURCE = [10, 0, 0, 1]
const TARGET = [10, 0, 0, 2]

/** Sum of the pseudo header, without the length when a segmenting adapter is to add it. */
export const pseudoSum = (protocol: number, length: number): number => sum(Uint8Array.of(...SOURCE, ...TARGET, 0, protocol, length >> 8, length & 0xff))

export interface IpOptions { readonly protocol: 6 | 17; readonly payload: Uint8Array; readonly flags?: number; readonly sequence?: number }

/** An IPv4 packet with a TCP or UDP segment and its checksums. */
export function ipv4({ protocol, payload, flags = 0x10, sequence = 1 }: IpOptions): Uint8Array {
  const header = protocol === 6
    ? [0x12, 0x34, 0, 80, sequence >>> 24, sequence >>> 16 & 0xff, sequence >>> 8 & 0xff, sequence & 0xff, 0, 0, 0, 9, 0x50, flags, 0x20, 0, 0, 0, 0, 0]
    : [0x12, 0x34, 0, 53, (payload.length + 8) >> 8, (payload.length + 8) & 0xff, 0, 0]
  const segment = Uint8Array.from([...header, ...payload])
  const check = ~sum(segment, pseudoSum(protocol, segment.length)) & 0xffff
  segment.set([check >> 8, check & 0xff], protocol === 6 ? 16 : 6)
  const total = 20 + segment.length
  const ip = Uint8Array.from([0x45, 0, total >> 8, total & 0xff, 0x10, 0, 0, 0, 64, protocol, 0, 0, ...SOURCE, ...TARGET])
  const ipCheck = ~sum(ip) & 0xffff
  ip.set([ipCheck >> 8, ipCheck & 0xff], 10)
  return Uint8Array.from([...ip, ...segment])
}

/** Whether all sums of an IPv4 frame are right. */
export function sumsGood(frame: Uint8Array): boolean {
  const total = (frame[16]! << 8) | frame[17]!
  const segment = frame.subarray(34, 14 + total)
  return sum(frame.subarray(14, 34)) === 0xffff && sum(segment, pseudoSum(frame[23]!, segment.length)) === 0xffff
}

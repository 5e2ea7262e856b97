import type { AccessSize, BusDevice, Clock, Gpa, GuestMemory, NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { E1000 } from '../src/e1000/index.ts'
import { Rtl8139 } from '../src/rtl8139/index.ts'
import type { PciDevice } from '../src/pci/index.ts'
import { ArrayMemory, ManualClock, seeded } from '../test/support/device-fakes.ts'
import { ethernet, FakeNetwork, ipv4 } from '../test/support/nic-fakes.ts'

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)
const MEMORY = 1 << 18
/** Bytes of guest memory one access of the driver may move before the adapter goes on by the clock, and frames it may send. */
const MOST_MOVED = 4 << 20
const MOST_SENT = 20_000
const FRAME_MAX = 16_384
const TX_RING = 0x1000
const RX_RING = 0x2000

/** Memory that counts what is moved. */
class CountedMemory extends ArrayMemory {
  moved = 0
  override read(gpa: Gpa, into: Uint8Array): void {
    this.moved += into.length
    into.fill(0xff)
    if (gpa < this.size) into.set(this.u8.subarray(gpa, gpa + into.length))
  }
  override write(gpa: Gpa, from: Uint8Array): void {
    this.moved += from.length
    if (gpa < this.size) this.u8.set(from.subarray(0, this.size - gpa), gpa)
  }
}

interface Nic { pci: PciDevice; registers: BusDevice; ports: BusDevice; reset(): void; save(): unknown; restore(state: never): void }
interface Kind {
  create(parts: { mac: Uint8Array; port: NetworkPort; memory: GuestMemory; clock: Clock }): Nic
  /** Registers and values of a driver that means well: rings in place, everything on. */
  readonly start: readonly (readonly [offset: number, size: AccessSize, value: number])[]
  readonly doorbells: readonly (readonly [offset: number, size: AccessSize, value: (random: () => number) => number])[]
  /** Registers worth more visits than chance gives. */
  readonly hot: readonly number[]
  /** Words of a transmit descriptor. */
  descriptor(random: () => number): number[]
}

const somewhere = (random: () => number): number => random() % 8 === 0 ? random() : random() % MEMORY
const small = (random: () => number): number => [0, 1, 14, 54, 60, 200, 1514, 4000, 0xffff][random() % 9]!

export const NICS: Readonly<Record<string, Kind>> = {
  e1000: {
    create: (parts) => new E1000(parts),
    start: [[0x3800, 4, TX_RING], [0x3804, 4, 0], [0x3808, 4, 0x100], [0x2800, 4, RX_RING], [0x2804, 4, 0], [0x2808, 4, 0x100], [0xd0, 4, 0xffff], [0x400, 4, 0xa], [0x100, 4, 0x8002]],
    doorbells: [[0x3818, 4, (random) => random() % 17], [0x2818, 4, (random) => random() % 17]],
    hot: [0, 0x10, 0x14, 0x20, 0xc0, 0xc4, 0xc8, 0x100, 0x400, 0x2808, 0x2810, 0x2818, 0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x5000],
    descriptor: (random) => random() % 3 === 0
      // A context, often one that fits an IPv4 and a TCP header.
      ? [14 | 24 << 8 | 33 << 16, 34 | 50 << 8, small(random) | (0x20 | random() & 0x0f) << 24, [54, 0, 255][random() % 3]! << 8 | [1460, 28, 0, 1][random() % 4]! << 16]
      : [somewhere(random), random() % 9 === 0 ? random() : 0, small(random) | [0, 1][random() % 2]! << 20 | (random() & 0x6f) << 24, random() & 0x0300 | random() << 16]
  },
  rtl8139: {
    create: (parts) => new Rtl8139(parts),
    start: [[0x20, 4, TX_RING], [0x24, 4, 0], [0xe4, 4, RX_RING], [0xe8, 4, 0], [0x30, 4, 0x10000], [0x3c, 2, 0xffff], [0x37, 1, 0x0c], [0x44, 4, 0xf]],
    doorbells: [[0xd9, 1, () => 0xc0], [0x10, 4, small], [0x14, 4, small], [0x18, 4, small], [0x1c, 4, small], [0x38, 2, (random) => random() & 0xfffc], [0xe0, 2, (random) => random() & 0x63]],
    hot: [0x10, 0x20, 0x28, 0x30, 0x37, 0x38, 0x3c, 0x3e, 0x40, 0x44, 0x50, 0x52, 0xd9, 0xe0, 0xe4],
    descriptor: (random) => [
      0x8000_0000 | small(random) | (random() % 8 === 0 ? 0x4000_0000 : 0) | [0, 0x1000_0000, 0x2000_0000, 0x3000_0000][random() % 4]! | (random() & 0x0fff_0000),
      random() & 0x3_ffff, somewhere(random), random() % 9 === 0 ? random() : 0
    ]
  }
}

class Failure extends CodedError {
  constructor(what: string) {
    super('fuzz-failure', what)
  }
}

/** The life of an adapter with a driver that means ill, of `steps` steps. Throws what is wrong with the adapter. */
export function fuzzNic(name: string, seed: number, steps: number): void {
  const kind = NICS[name]!
  const random = seeded(seed)
  const memory = new CountedMemory(MEMORY)
  const clock = new ManualClock()
  const network = new FakeNetwork()
  const nic = kind.create({ mac: MAC, port: network, memory, clock })
  let sent = 0
  network.onSend = (frame) => {
    network.sent.length = 0
    sent++
    if (frame.length < 14 || frame.length > FRAME_MAX) throw new Failure(`a frame of ${frame.length} bytes is sent`)
    // Now and then somebody answers at once.
    if (sent % 16 === 0 && network.kept.length < 50) network.deliver(ethernet(MAC, 0x0800, ipv4({ protocol: 6, payload: new Uint8Array(random() % 1400) })))
  }
  const write = (window: BusDevice, offset: number, size: AccessSize, value: number): void => {
    memory.moved = sent = 0
    window.write(offset, size, (value >>> 0) % 2 ** (8 * size))
    if (memory.moved > MOST_MOVED) throw new Failure(`writing ${value} at ${offset} moves ${memory.moved} bytes`)
    if (sent > MOST_SENT) throw new Failure(`writing ${value} at ${offset} sends ${sent} frames`)
  }
  const poke = (address: number, words: readonly number[]): void => words.forEach((word, index) => memory.writeU32((address + 4 * index) as Gpa, word >>> 0))
  const actions: (() => void)[] = [
    () => {
      nic.pci.writeConfig(4, 2, 7)
      for (const [offset, size, value] of kind.start) write(nic.registers, offset, size, value)
    },
    () => poke(TX_RING + 16 * (random() % 64), kind.descriptor(random)),
    () => poke(RX_RING + 16 * (random() % 64), [random() % 2 ? somewhere(random) : 0x8000_0800, 0, somewhere(random), random() % 9 === 0 ? random() : 0]),
    () => memory.u8.set(ethernet(MAC, [0x0800, 0x86dd, 0x8100][random() % 3]!, ipv4({ protocol: random() % 2 ? 6 : 17, payload: new Uint8Array(random() % 2000) })), random() % (MEMORY - 4096)),
    () => {
      const [offset, size, value] = kind.doorbells[random() % kind.doorbells.length]!
      write(nic.registers, offset, size, value(random))
    },
    () => {
      const window = random() % 4 === 0 ? nic.ports : nic.registers
      const size = ([1, 2, 4, 4] as const)[random() % 4]!
      const offset = random() % 2 ? kind.hot[random() % kind.hot.length]! : random() % window.length
      if (offset + size > window.length) return
      if (random() % 2) return write(window, offset, size, random() % 3 ? random() : random() & 0xff)
      const got = window.read(offset, size)
      if (typeof got === 'number' && !(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * size))) throw new Failure(`reading ${size} bytes at ${offset} gives ${got}`)
    },
    () => {
      if (network.kept.length < 50) network.deliver(Uint8Array.from({ length: 14 + random() % (random() % 8 ? 1600 : 20_000) }, (_, index) => index < 6 ? MAC[index]! : random()))
    },
    () => clock.advance(random() % 1_000_000),
    () => {
      if (clock.timers.length > 3) throw new Failure(`${clock.timers.length} timers are running`)
      if (random() % 64 === 0) nic.restore(structuredClone(nic.save()) as never)
      if (random() % 256 === 0) nic.reset()
    }
  ]
  actions[0]!()
  // To mean well again is rare: most of a life should be spent off the path.
  for (let step = 0; step < steps; step++) actions[random() % 24 === 0 ? 0 : 1 + random() % (actions.length - 1)]!()
}

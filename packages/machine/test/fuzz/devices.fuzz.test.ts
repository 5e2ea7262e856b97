import type { AccessSize, BlockBackend, Gpa } from '@entresol/interfaces'
import type { DeviceOptions } from '../../src/devices/options.ts'
import { expect, test } from 'vitest'
import { fuzzSettings, Random } from '../support/random.ts'
import { createRig, EXIT_CODE, runSlice } from '../support/rig.ts'
import type { Rig } from '../support/rig.ts'

const ACCESSES = 4000
const { seed, count } = fuzzSettings('random device access', 24)
const SIZES: readonly AccessSize[] = [1, 2, 4]

/** Ports where something is, on one of the boards: the others are met too, less often. */
const PORTS: readonly (readonly [first: number, last: number])[] = [
  [0x20, 0x21], [0xa0, 0xa1], [0x4d0, 0x4d1], [0x40, 0x43], [0x60, 0x64], [0x70, 0x71], [0x92, 0x92], [0xb2, 0xb3], [0xe9, 0xe9], [0x1ce, 0x1d0],
  [0x170, 0x177], [0x1f0, 0x1f7], [0x376, 0x376], [0x3f6, 0x3f6], [0x3b0, 0x3df], [0x2f8, 0x2ff], [0x3f8, 0x3ff], [0x501, 0x502], [0x510, 0x51b],
  [0x600, 0x63f], [0x700, 0x70f], [0xcf8, 0xcff], [0xc000, 0xc00f],
]
/** MMIO windows: VGA, framebuffer and its registers, ECAM, I/O APIC, HPET, local APIC, virtio-mmio slots, BIOS. */
const WINDOWS: readonly (readonly [base: number, bytes: number])[] = [
  [0xa0000, 0x20000], [0xc0000, 0x40000], [0xe0000000, 0x10000000], [0xe0008000, 0x9000], [0xf0000000, 0x2000000], [0xfec00000, 0x1000], [0xfed00000, 0x1000],
  [0xfee00000, 0x1000], [0xfeb00000, 0x4000], [0xfffc0000, 0x40000], [0x100000000, 0x10000], [2 ** 40 - 16, 16], [2 ** 52 - 8, 64],
]
const CONFIG_ADDRESS = 0xcf8
const CONFIG_DATA = 0xcfc

const disk = (bytes: number, readOnly: boolean): BlockBackend => ({
  size: bytes, readOnly,
  read: (_offset, into) => Promise.resolve(void into.fill(0x5a)), write: () => Promise.resolve(), flush: () => Promise.resolve(),
  writeZeroes: () => Promise.resolve(), discard: () => Promise.resolve(), close: () => Promise.resolve(),
  status: (_offset, length) => Promise.resolve({ length, allocated: true, zero: false }),
})

const peer = { write: () => {}, onData: () => {}, resume: () => {} }
const devices = (): DeviceOptions[] => [
  { type: 'virtio-blk', backend: disk(1 << 20, false) }, { type: 'virtio-rng' }, { type: 'virtio-console', ports: [{ port: peer }, { port: peer, name: 'x' }] },
]
const drives = [
  { backend: disk(1 << 20, false), media: 'disk' as const }, { backend: disk(2048 * 64, true), media: 'cdrom' as const, index: 2 },
]

function port(random: Random): number {
  if (random.chance(6)) return random.below(0x10000)
  const [first, last] = random.pick(PORTS)
  return Math.min(0xffff, first + random.below(last - first + 1))
}

function address(random: Random): number {
  if (random.chance(8)) return random.u32() * (random.chance(4) ? 2 ** random.below(20) : 1)
  const [base, bytes] = random.pick(WINDOWS)
  return base + random.below(random.chance(2) ? Math.min(bytes, 0x400) : bytes)
}

/** Something any guest can do at any time. */
type Attack = (random: Random, rig: Rig) => void

const ports: Attack = (random, { platform }) => {
  const size = random.pick(SIZES)
  if (random.chance(3)) platform.ports.read(port(random), size)
  else platform.ports.write(port(random), size, random.interesting() % 2 ** (8 * size))
}

const mmio: Attack = (random, { platform }) => {
  const size = random.pick(SIZES)
  if (random.chance(3)) platform.mmio.read(address(random), size)
  else platform.mmio.write(address(random), size, random.interesting() % 2 ** (8 * size))
}

const localApic: Attack = (random, { platform }) => {
  const apic = random.pick(platform.apics)
  if (random.chance(2)) apic.write(random.below(0x400) & ~15, 4, random.interesting())
  else if (random.chance(2)) apic.read(random.below(0x1000), random.pick(SIZES))
  else if (random.chance(2)) apic.writeMsr(random.pick([0x1b, 0x6e0, 0x800 + random.below(0x40)]), random.interesting(), random.interesting())
  else apic.readMsr(0x800 + random.below(0x40))
}

/** Configuration cycles, both ways, mostly of functions that exist. */
const configuration: Attack = (random, { platform }) => {
  const device = random.chance(4) ? random.below(32) : random.below(3)
  const where = (device << 11) | (random.below(random.chance(4) ? 8 : 4) << 8)
  const register = random.below(random.chance(4) ? 256 : 0x60)
  const size = random.pick(SIZES)
  const value = random.interesting() % 2 ** (8 * size)
  if (random.chance(2)) {
    platform.ports.write(CONFIG_ADDRESS, 4, (0x80000000 | where | (register & 0xfc)) >>> 0)
    platform.ports.write(CONFIG_DATA + (register & 3), size, value)
  } else platform.mmio.write(0xe0000000 + (random.chance(16) ? random.below(256) << 20 : 0) + (where << 4) + register, size, value)
}

const powerManagement: Attack = (random, { platform }) => {
  const size = random.pick(SIZES)
  // Where the loader and SeaBIOS put PM I/O space, and what random configuration moved it to is met by `ports`.
  platform.ports.write(random.pick([0x600, 0xb000]) + random.below(0x40), size, random.interesting() % 2 ** (8 * size))
  if (random.chance(4)) platform.ports.write(random.pick([0xb2, 0xcf9, 0x64, 0x92]), 1, random.u32() & 0xff)
}

/** A descriptor somewhere in memory and the two halves of its address to the DMA register, big-endian (fw_cfg specification, DMA interface). */
const firmwareDma: Attack = (random, { platform }) => {
  const at = random.chance(3) ? random.interesting() : random.below(platform.ram.size)
  const descriptor = new DataView(new ArrayBuffer(16))
  descriptor.setUint32(0, (random.below(0x60) << 16) | random.below(0x20))
  descriptor.setUint32(4, random.chance(2) ? random.below(0x2000) : random.interesting())
  descriptor.setUint32(8, random.chance(4) ? random.u32() : 0)
  descriptor.setUint32(12, random.chance(2) ? random.below(platform.ram.size) : random.interesting())
  platform.ram.write(at as Gpa, new Uint8Array(descriptor.buffer))
  const swapped = (value: number): number => ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
  if (random.chance(4)) platform.ports.write(0x514, 4, random.interesting())
  else platform.ports.write(0x514, 4, 0)
  platform.ports.write(0x518, 4, swapped(at))
}

/** Bus-master IDE: random commands with a descriptor table at a random place. */
const ideDma: Attack = (random, { platform }) => {
  const { ports: bus, ram } = platform
  bus.write(CONFIG_ADDRESS, 4, 0x80000920)
  bus.write(CONFIG_DATA, 4, 0xc001)
  bus.write(CONFIG_ADDRESS, 4, 0x80000904)
  bus.write(CONFIG_DATA, 2, 7)
  const table = random.chance(3) ? random.interesting() : random.below(ram.size)
  for (let n = 0; n < 4; n++) {
    ram.writeU32(((table & ~3) + n * 8) as Gpa, random.chance(2) ? random.below(ram.size) : random.interesting())
    ram.writeU32(((table & ~3) + n * 8 + 4) as Gpa, random.chance(2) ? random.below(0x10000) | (random.below(2) << 31) : random.u32())
  }
  const channel = random.below(2)
  const base = channel ? 0x170 : 0x1f0
  bus.write(0xc004 + channel * 8, 4, table)
  for (let n = 1; n < 7; n++) bus.write(base + n, 1, random.chance(2) ? random.below(8) : random.u32() & 0xff)
  bus.write(base + 7, 1, random.pick([0xc8, 0xca, 0x20, 0x30, 0xa0, 0xa1, 0xec, 0xef, 0x24, 0x25, 0x35, 0xe7, 0x08, 0x90, random.u32() & 0xff]))
  if (random.chance(2)) for (let n = random.below(600); n > 0; n--) bus.write(base, 2, random.u32() & 0xffff)
  bus.write(0xc000 + channel * 8, 1, random.below(16))
}

const ATTACKS: Readonly<Record<string, readonly Attack[]>> = {
  'port I/O': [ports], MMIO: [mmio, localApic], 'PCI configuration': [configuration, configuration, ports, mmio],
  'power management': [powerManagement], 'fw_cfg DMA': [firmwareDma], 'IDE bus mastering': [ideDma],
  everything: [ports, mmio, localApic, configuration, powerManagement, firmwareDma, ideDma],
}

for (const board of ['pc', 'microvm'] as const) {
  for (const [name, attacks] of Object.entries(ATTACKS)) {
    test(`${board}: random ${name} neither throws nor leaves the guest's memory, and the machine boots afterwards`, { timeout: 0 }, async () => {
      const rig = createRig({ board, cpus: 2, firmware: board === 'pc', drives: board === 'pc' ? drives : [], devices: devices() })
      expect(rig.boot(), 'boots before').toBe(EXIT_CODE)
      for (let index = 0; index < Math.ceil(count / 6); index++) {
        const random = new Random(seed + index)
        const about = `${board} ${name} seed ${seed} case ${index}`
        const accesses = name.includes('DMA') || name.includes('IDE') ? ACCESSES / 10 : ACCESSES
        for (let n = 0; n < accesses; n++) {
          const before = performance.now()
          try {
            random.pick(attacks)(random, rig)
            if (random.chance(50)) {
              rig.clock.skipTo(rig.clock.now() + 10 ** random.below(10))
              runSlice(rig, 100)
            }
          } catch (thrown) {
            throw new Error(`${about} access ${n}: threw ${String(thrown)}`, { cause: thrown })
          }
          expect(performance.now() - before, `${about} access ${n}: hung`).toBeLessThan(10_000)
          // Disk transfers finish in turns of the event loop.
          if (random.chance(100)) await new Promise((resolve) => setImmediate(resolve))
        }
        expect(rig.damage(), about).toEqual([])
        expect(rig.boot(), `${about}: boots afterwards`).toBe(EXIT_CODE)
      }
    })
  }
}

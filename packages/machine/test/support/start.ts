import type { Gpa, SegmentRegister, VcpuRegisters } from '@entresol/interfaces'
import type { GuestPhysicalMemory } from '@entresol/mmu'
import type { Random } from './random.ts'

export const MODES = ['real', 'virtual-8086', 'protected-16', 'protected-32', 'protected-32-paging', 'pae', 'long', 'compatibility', 'wild'] as const
export type StartMode = typeof MODES[number]

const GDT = 0x1000
const IDT = 0x3000
const TSS = 0x5000
const TABLES = 0x10000
const MIB = 1 << 20

const write64 = (ram: GuestPhysicalMemory, at: number, value: bigint): void => ram.writeU64(at as Gpa, BigInt.asUintN(64, value))

function descriptor(limit: number, access: number, flags: number, base = 0): bigint {
  return BigInt(limit & 0xffff) | (BigInt(base & 0xffffff) << 16n) | (BigInt(access) << 40n) | (BigInt((limit >>> 16) & 15) << 48n) | (BigInt(flags) << 52n)
}

/** GDT, IDT and TSS that work more often than not, with random entries between. */
function tables(random: Random, ram: GuestPhysicalMemory, long: boolean, size: 16 | 32 | 64): void {
  const flags = size === 64 ? 0xa : size === 32 ? 0xc : 0
  const limit = size === 16 ? 0xffff : 0xfffff
  const fixed = [0n, descriptor(limit, 0x9b, flags), descriptor(limit, 0x93, size === 16 ? 0 : 0xc), descriptor(limit, 0xfb, flags), descriptor(limit, 0xf3, size === 16 ? 0 : 0xc),
    descriptor(0x2100, 0x89, 0, TSS), 0n, descriptor(0xffff, 0x82, 0, TABLES), 0n, descriptor(limit, 0x9f, flags), descriptor(0xfffff, 0x9b, 0xa), descriptor(0xfffff, 0x9b, 0xc)]
  fixed.forEach((value, i) => write64(ram, GDT + i * 8, value))
  for (let i = fixed.length; i < 64; i++) write64(ram, GDT + i * 8, random.chance(2) ? random.u64() : descriptor(0xfffff, 0x80 | random.below(128), random.below(16), random.below(4 * MIB)))
  for (let vector = 0; vector < 256; vector++) {
    const offset = random.below(2 * MIB)
    const type = random.pick([0x8e, 0x8f, 0xee, 0xef, 0x8e, 0xee, long ? 0x8e : 0x86, long ? 0x8f : 0x87, long ? 0x8e : 0x85, random.u32() & 0xff])
    const selector = random.pick([8, 8, 8, 0x48, 0x1b, type === 0x85 ? 0x28 : 8, random.below(0x200)])
    const gate = BigInt(offset & 0xffff) | (BigInt(selector) << 16n) | (BigInt(random.chance(8) ? random.below(8) : 0) << 32n) | (BigInt(type) << 40n) | (BigInt(offset >>> 16) << 48n)
    write64(ram, IDT + vector * (long ? 16 : 8), gate)
    if (long) write64(ram, IDT + vector * 16 + 8, random.chance(32) ? random.u64() : 0n)
  }
  for (let at = 4; at < 0x68; at += 8) write64(ram, TSS + at, BigInt(random.below(3 * MIB) & ~15))
  if (!long) for (let at = 8; at < 0x20; at += 8) ram.writeU16((TSS + at) as Gpa, random.chance(4) ? random.below(0x10000) : 0x10)
  ram.writeU16((TSS + 0x66) as Gpa, random.chance(2) ? 0x68 : 0xffff)
}

/** Page tables at TABLES: mostly identity, with random rights, some random entries. Returns CR3. */
function paging(random: Random, ram: GuestPhysicalMemory, kind: '32' | 'pae' | 'long'): bigint {
  const noise = (address: number, large: bigint): bigint =>
    random.chance(16) ? random.u64() : BigInt(address) | large | (random.chance(6) ? BigInt(random.below(8)) : 7n) | (random.chance(8) ? BigInt(random.below(0x1000)) & ~large : 0n)
  if (kind === '32') {
    for (let i = 0; i < 1024; i++) {
      const entry = i === 0 ? BigInt(TABLES + 0x1000) | 7n : noise((i & 15) * 4 * MIB, 0x80n)
      ram.writeU32((TABLES + i * 4) as Gpa, Number(entry & 0xffffffffn))
      ram.writeU32((TABLES + 0x1000 + i * 4) as Gpa, Number(noise(i * 4096, 0n) & 0xffffffffn))
    }
    return BigInt(TABLES)
  }
  const [pml4, pdpt, pd, pt] = [TABLES, TABLES + 0x1000, TABLES + 0x2000, TABLES + 0x3000]
  for (let i = 0; i < 512; i++) {
    write64(ram, pml4 + i * 8, i === 0 || random.chance(8) ? BigInt(pdpt) | 7n : random.chance(32) ? random.u64() : 0n)
    write64(ram, pdpt + i * 8, kind === 'pae' ? (i < 4 ? BigInt(pd) | 1n : 0n) : i === 0 || random.chance(4) ? BigInt(pd) | 7n : noise(0, 0x80n))
    write64(ram, pd + i * 8, i === 0 ? BigInt(pt) | 7n : noise((i & 1) * 2 * MIB, 0x80n))
    write64(ram, pt + i * 8, noise(i * 4096, 0n))
  }
  return BigInt(kind === 'pae' ? pdpt : pml4)
}

/** Puts tables for a mode into memory and makes registers that start in it, with random values where any are legal. */
export function startState(random: Random, ram: GuestPhysicalMemory, mode: StartMode, r: VcpuRegisters): VcpuRegisters {
  const long = mode === 'long' || mode === 'compatibility'
  const size = mode === 'long' ? 64 : mode === 'protected-16' ? 16 : 32
  const real = mode === 'real' || mode === 'virtual-8086'
  if (mode !== 'real') tables(random, ram, long, size)
  const kind = long ? 'long' : mode === 'pae' ? 'pae' : mode === 'protected-32-paging' ? '32' : undefined
  const cr3 = kind ? paging(random, ram, kind) : random.u64() & 0xfffff000n
  for (let i = 0; i < 16; i++) r.gpr[i] = random.chance(2) ? BigInt(random.below(4 * MIB)) : random.chance(4) ? random.u64() : BigInt(random.interesting())
  const user = mode !== 'real' && random.chance(3)
  const flat = (selector: number, attributes: number): SegmentRegister => real
    ? { selector: selector << 8, base: BigInt(selector << 12), limit: mode === 'real' && random.chance(3) ? 0xffffffff : 0xffff, attributes: mode === 'real' ? attributes & 0xff : 0xf3 }
    : { selector, base: mode === 'long' || random.chance(2) ? 0n : BigInt(random.below(MIB)), limit: random.chance(8) ? random.u32() : size === 16 ? 0xffff : 0xffffffff, attributes }
  const big = size === 64 ? 0xa00 : size === 32 ? 0xc00 : 0
  const ring = user ? 3 : 0
  const data = (): SegmentRegister => flat(user ? 0x23 : 0x10, (user ? 0xf3 : 0x93) | (size === 16 ? 0 : 0xc00))
  r.segments = {
    cs: flat(user ? 0x1b : 8, (user ? 0xfb : 0x9b) | (mode === 'compatibility' ? 0xc00 : big)), ss: data(), ds: data(), es: data(), fs: data(), gs: data(),
    ldtr: { selector: random.chance(2) ? 0 : 0x38, base: BigInt(TABLES), limit: 0xffff, attributes: 0x82 },
    tr: { selector: 0x28, base: BigInt(TSS), limit: 0x2100, attributes: 0x8b },
  }
  r.rip = BigInt(random.below(real || size === 16 ? 0x10000 : 3 * MIB))
  const flags = random.u32() & 0x247fd5 & (random.chance(4) ? -1 : ~0x100)
  r.rflags = BigInt(((flags | 2) & ~0x20000) | (mode === 'virtual-8086' ? 0x20000 : 0)) & 0xffffffffn
  r.gdtr = { base: BigInt(GDT), limit: 0x1ff }
  r.idtr = { base: mode === 'real' ? 0n : BigInt(IDT), limit: long ? 0xfff : mode === 'real' ? 0x3ff : 0x7ff }
  const extra0 = BigInt(random.u32() & 0x5003e & (random.chance(4) ? -1 : ~0xe))
  const extra4 = BigInt(random.u32() & 0x340697 & ~0x20) | (random.chance(4) ? 0n : 0x600n)
  r.cr0 = mode === 'real' ? 0x10n | (extra0 & ~1n) : 0x11n | extra0 | (kind ? 0x80000000n : 0n)
  r.cr4 = extra4 | (kind && kind !== '32' ? 0x20n : 0n) | (kind === '32' ? 0x10n : 0n)
  r.cr3 = cr3
  r.cr2 = random.u64()
  r.cr8 = BigInt(random.below(16))
  r.efer = (long ? 0x500n : 0n) | (random.chance(2) ? 0x801n : 1n)
  if (mode === 'wild') {
    r.cr0 = BigInt(random.u32())
    r.cr4 = BigInt(random.u32())
    r.efer = BigInt(random.u32() & 0xfd01)
    r.rflags = BigInt(random.u32() & 0x3f7fd7) | 2n
    for (const segment of Object.values(r.segments)) segment.attributes = random.u32() & 0xfff
  } else if (ring === 3 && real) r.segments.ss.attributes = mode === 'virtual-8086' ? 0xf3 : 0x93
  return r
}

/** The same mode at another place, with some other values. */
export function elsewhere(random: Random, r: VcpuRegisters): VcpuRegisters {
  const code = r.segments.cs.limit < 0x10000 ? 0x10000 : 3 * MIB
  r.rip = BigInt(random.below(code))
  for (let n = random.below(6); n > 0; n--) r.gpr[random.below(16)] = random.chance(2) ? BigInt(random.below(4 * MIB)) : random.u64()
  r.gpr[4] = BigInt(random.below(code) & ~7)
  return r
}

/** Model-specific registers that steer execution, and some of others. */
export const MSRS: readonly number[] = [
  0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x8b, 0xfe, 0x10a, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x1a0, 0x1d9, 0x200, 0x201, 0x250, 0x277, 0x2ff, 0x400, 0x6e0,
  0x802, 0x808, 0x80b, 0x80f, 0x830, 0x832, 0x838, 0x83f, 0xda0, 0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d03, 0x4b564d04, 0x4b564d05,
  0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015, 0xc0010117,
]

import type { Gpa, VcpuExit, VcpuRegisters } from '@entresol/interfaces'
import { createCpuModel } from '../../src/system/cpuid/models.ts'
import { createBench } from './bench.ts'
import type { Bench, BenchOptions } from './bench.ts'

/** Where the tables of these machines lie. Handlers of all vectors are one HLT each at HANDLERS + vector * 16. */
export const GDT = 0x1000
export const IDT = 0x2000
export const TSS = 0x4000
export const TSS2 = 0x4800
export const HANDLERS = 0x6000
export const CODE = 0x8000
export const STACK0 = 0x20000
export const STACK3 = 0x30000
export const PAGES = 0x100000

/** Selectors: flat segments of ring 0 and 3, 32-bit (64-bit code in long machines), and the TSS. */
export const CODE0 = 0x08
export const DATA0 = 0x10
export const CODE3 = 0x1b
export const DATA3 = 0x23
export const TR = 0x28
/** Free for tests. */
export const FREE = 0x40

export const ACCESS = { code0: 0x9b, data0: 0x93, code3: 0xfb, data3: 0xf3, tss: 0x89, tssBusy: 0x8b, tss16: 0x81, ldt: 0x82, conforming0: 0x9f, conforming3: 0xff } as const
/** G, D/B; G, L; neither. */
export const BIG = 0xc
export const LONG = 0xa

/** An 8-byte descriptor (SDM vol. 3, figure 3-8). `limit` is the 20-bit field. */
export function descriptor(base: number, limit: number, access: number, flags: number): bigint {
  const b = BigInt(base)
  const l = BigInt(limit)
  return (l & 0xffffn) | ((b & 0xffffffn) << 16n) | (BigInt(access) << 40n) | ((l >> 16n) << 48n) | (BigInt(flags) << 52n) | ((b >> 24n) << 56n)
}

/** A gate: `access` is P, DPL and type; `extra` parameter count or IST. */
export const gate = (selector: number, offset: number, access: number, extra = 0): bigint =>
  BigInt(offset & 0xffff) | (BigInt(selector) << 16n) | (BigInt(extra) << 32n) | (BigInt(access) << 40n) | (BigInt(offset >>> 16) << 48n)

export interface SystemBench extends Bench {
  setDescriptor(selector: number, value: bigint, upper?: bigint): void
  setGate(vector: number, value: bigint): void
  /** Loads code at CODE, starts it at privilege `cpl`, and runs until something ends it. */
  execute(bytes: readonly number[], options?: { cpl?: 0 | 3; change?: (r: VcpuRegisters) => void; steps?: number }): VcpuExit
  registers(): VcpuRegisters
  /** `count` 32-bit (or 64-bit) words from rSP up. */
  stack(count: number, size?: 2 | 4 | 8): bigint[]
  u32(address: number): number
}

const segment = (selector: number, attributes: number) => ({ selector, base: 0n, limit: 0xffffffff, attributes })

function common(long: boolean, features: { add?: string[]; remove?: string[] }, options: Pick<BenchOptions, 'translateAfter' | 'trace'> = {}): SystemBench {
  const bench = createBench({ bytes: 4 << 20, model: createCpuModel('max', features), codeCacheBytes: 1 << 20, ...options })
  const { cpu, ram } = bench
  const write = (address: number, value: bigint): void => ram.writeU64(address as Gpa, value)
  const setDescriptor = (selector: number, value: bigint, upper?: bigint): void => {
    write(GDT + (selector & ~7), value)
    if (upper !== undefined) write(GDT + (selector & ~7) + 8, upper)
  }
  const setGate = (vector: number, value: bigint): void => write(IDT + vector * (long ? 16 : 8), value)
  setDescriptor(CODE0, descriptor(0, 0xfffff, ACCESS.code0, long ? LONG : BIG))
  setDescriptor(DATA0, descriptor(0, 0xfffff, ACCESS.data0, BIG))
  setDescriptor(CODE3, descriptor(0, 0xfffff, ACCESS.code3, long ? LONG : BIG))
  setDescriptor(DATA3, descriptor(0, 0xfffff, ACCESS.data3, BIG))
  setDescriptor(TR, descriptor(TSS, 0x20ff, ACCESS.tssBusy, 0), long ? 0n : undefined)
  for (let vector = 0; vector < 256; vector++) {
    setGate(vector, gate(CODE0, HANDLERS + vector * 16, 0x8e))
    bench.load(HANDLERS + vector * 16, 0xf4)
  }
  if (long) ram.writeU64((TSS + 4) as Gpa, BigInt(STACK0))
  else {
    ram.writeU32((TSS + 4) as Gpa, STACK0)
    ram.writeU32((TSS + 8) as Gpa, DATA0)
  }
  // The I/O map lies beyond the limit until a test moves it.
  ram.writeU16((TSS + 0x66) as Gpa, 0xffff)
  return Object.assign(bench, {
    setDescriptor, setGate,
    registers: () => cpu.getRegisters(),
    u32: (address: number) => ram.readU32(address as Gpa),
    stack: (count: number, size: 2 | 4 | 8 = long ? 8 : 4) => {
      const r = cpu.getRegisters()
      const at = Number(r.gpr[4]!) + Number(r.segments.ss.base)
      return Array.from({ length: count }, (_, i) => {
        const address = (at + i * size) as Gpa
        return size === 8 ? ram.readU64(address) : BigInt(size === 4 ? ram.readU32(address) : ram.readU16(address))
      })
    },
    execute: (bytes: readonly number[], options: { cpl?: 0 | 3; change?: (r: VcpuRegisters) => void; steps?: number } = {}) => {
      const { cpl = 0, change, steps = 1000 } = options
      bench.load(CODE, Uint8Array.from(bytes))
      const r = cpu.getRegisters()
      const data = segment(cpl ? DATA3 : DATA0, cpl ? 0xcf3 : 0xc93)
      r.segments = {
        cs: segment(cpl ? CODE3 : CODE0, (cpl ? 0xfb : 0x9b) | (long ? 0xa00 : 0xc00)), ss: data, ds: data, es: data, fs: data, gs: data,
        ldtr: segment(0, 0), tr: { selector: TR, base: BigInt(TSS), limit: 0x20ff, attributes: 0x8b },
      }
      r.gpr[4] = BigInt(cpl ? STACK3 : STACK0)
      Object.assign(r, {
        rip: BigInt(CODE), rflags: 0x202n, gdtr: { base: BigInt(GDT), limit: 0xff }, idtr: { base: BigInt(IDT), limit: long ? 0xfff : 0x7ff },
      })
      change?.(r)
      cpu.setRegisters(r)
      let exit: VcpuExit = { reason: 'slice' }
      for (let n = 0; n < 64 && exit.reason === 'slice' && cpu.instructionCount < steps + 1e9; n++) exit = cpu.run(steps)
      return exit
    },
  })
}

/** 32-bit protected mode, paging off. */
export function protectedMachine(features: { add?: string[]; remove?: string[] } = {}, options: Pick<BenchOptions, 'translateAfter' | 'trace'> = {}): SystemBench {
  const bench = common(false, features, options)
  const r = bench.cpu.getRegisters()
  Object.assign(r, { cr0: 0x11n, cr4: 0n, efer: 0n })
  bench.cpu.setRegisters(r)
  return bench
}

/** Long mode; the first 4 MiB are mapped to themselves for everyone, writable, in 2 MiB pages. */
export function longMachine(features: { add?: string[]; remove?: string[] } = {}, options: Pick<BenchOptions, 'translateAfter' | 'trace'> = {}): SystemBench {
  const bench = common(true, features, options)
  const { ram, cpu } = bench
  ram.writeU64(PAGES as Gpa, BigInt(PAGES + 0x1007))
  ram.writeU64((PAGES + 0x1000) as Gpa, BigInt(PAGES + 0x2007))
  for (let i = 0; i < 2; i++) ram.writeU64((PAGES + 0x2000 + i * 8) as Gpa, BigInt(i * 0x200000) | 0x87n)
  const r = cpu.getRegisters()
  Object.assign(r, { cr0: 0x80010033n, cr3: BigInt(PAGES), cr4: 0x20n, efer: 0xd01n })
  cpu.setRegisters(r)
  return bench
}

/** Real-address mode at CODE with SS:SP = 0:STACK16; the IVT points at HANDLERS + vector * 16, a HLT each. */
export const STACK16 = 0x7000
export function realMachine(): SystemBench {
  const bench = common(false, {})
  const { ram } = bench
  for (let vector = 0; vector < 256; vector++) ram.writeU32((vector * 4) as Gpa, (((HANDLERS >> 4) + vector) << 16) >>> 0)
  const inner = bench.execute
  const data = { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 }
  bench.execute = (bytes, options = {}) => inner(bytes, {
    ...options,
    change: (r) => {
      r.segments = { ...r.segments, cs: { ...data, attributes: 0x9b }, ss: data, ds: data, es: data, fs: data, gs: data }
      r.gpr[4] = BigInt(STACK16)
      Object.assign(r, { cr0: 0x10n, cr4: 0n, efer: 0n, idtr: { base: 0n, limit: 0x3ff } })
      options.change?.(r)
    },
  })
  return bench
}

/** Little-endian bytes of a number, for hand-assembled code. */
export const le = (value: number, size: 1 | 2 | 4): number[] => Array.from({ length: size }, (_, i) => (value >>> (i * 8)) & 0xff)

/** The vector whose handler (a HLT) the CPU stopped in, -1 when it is elsewhere. */
export function stoppedIn(bench: SystemBench): number {
  const r = bench.registers()
  const at = Number(r.rip + r.segments.cs.base) - 1 - HANDLERS
  return at >= 0 && at < 0x1000 && at % 16 === 0 ? at / 16 : -1
}

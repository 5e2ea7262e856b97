import { createMachineMemory, createPageWalker, GuestPhysicalMemory } from '@entresol/mmu'
import type { FrameMemory } from '@entresol/mmu'
import type { Bus, Clock, Gpa, InterruptSource } from '@entresol/interfaces'
import { SoftwareVcpu } from '../../src/vcpu.ts'
import type { SoftwareVcpuOptions } from '../../src/vcpu.ts'
import type { CpuModel } from '../../src/system/cpuid/model.ts'
import type { ApicRegisters } from '../../src/system/context.ts'
import { INSTRUCTIONS } from '../../src/instructions/index.ts'
import type { VcpuTrace } from '../../src/trace.ts'

/** A vCPU with memory, buses that record, and no devices. */
export interface Bench {
  readonly cpu: SoftwareVcpu
  readonly ram: GuestPhysicalMemory
  readonly io: { kind: 'in' | 'out' | 'read' | 'write'; address: number; size: number; value: number }[]
  /** Time in ns, moved by the test. */
  now: number
  readonly interrupts: { vector: number }
  load(gpa: number, ...bytes: (number | Uint8Array)[]): void
}

const everything: CpuModel = {
  name: 'bench',
  vendor: 'GenuineIntel',
  features: new Set(INSTRUCTIONS.flatMap((r) => r.options.feature ?? [])),
  physicalAddressBits: 40,
  cpuid: () => [0, 0, 0, 0],
}

export interface BenchOptions {
  readonly bytes?: number
  readonly model?: CpuModel
  readonly codeCacheBytes?: number
  readonly translateAfter?: number
  readonly trace?: VcpuTrace
  /** What linear addresses lead to; without it paging over `ram`. */
  readonly space?: (memory: FrameMemory, ram: GuestPhysicalMemory) => Pick<SoftwareVcpuOptions, 'physical' | 'walker' | 'flat'>
}

export function createBench(options: BenchOptions = {}): Bench {
  const bytes = options.bytes ?? 16 << 20
  const memory = createMachineMemory({ bytes: bytes + (16 << 20) + (options.codeCacheBytes ?? 8 << 20) })
  const ram = new GuestPhysicalMemory(memory)
  ram.addRam(bytes)
  const io: Bench['io'] = []
  const bus = (read: 'in' | 'read', write: 'out' | 'write'): Bus => ({
    read: (address, size) => {
      const value = size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff
      io.push({ kind: read, address, size, value })
      return value
    },
    write: (address, size, value) => void io.push({ kind: write, address, size, value }),
  })
  const interrupts = { vector: -1 }
  const source: InterruptSource = {
    pending: () => interrupts.vector >= 0,
    acknowledge: () => {
      const { vector } = interrupts
      interrupts.vector = -1
      return vector
    },
  }
  const apic: ApicRegisters = {
    apicBase: 0xfee00900n, writeApicBase: () => true, readMsr: () => undefined, writeMsr: () => false, tpr: 0, tscDeadline: 0n,
  }
  const bench = { now: 0 }
  const clock: Clock = { now: () => bench.now, wallClock: () => 0, schedule: () => ({ cancel: () => {} }) }
  const space = options.space?.(memory, ram) ?? { physical: ram, walker: createPageWalker(memory, ram) }
  const cpu = new SoftwareVcpu({
    ...space, id: 0, memory, ports: bus('in', 'out'), mmio: bus('read', 'write'),
    interrupts: source, apic, clock, random: { nextU32: () => 0x12345678 }, model: options.model ?? everything,
    codeCacheBytes: options.codeCacheBytes ?? 8 << 20, translateAfter: options.translateAfter ?? 500, ...(options.trace ? { trace: options.trace } : {}),
  })
  return Object.assign(bench, {
    cpu, ram, io, interrupts,
    load(gpa: number, ...parts: (number | Uint8Array)[]): void {
      for (const part of parts) {
        const chunk = typeof part === 'number' ? Uint8Array.of(part) : part
        ram.write(gpa as Gpa, chunk)
        gpa += chunk.length
      }
    },
  })
}

/** Long mode, CPL 0, flat, identity-mapped first GiB with 2 MiB pages, tables at 0x1000..0x3fff. */
export function enterLongMode(bench: Bench, rip: number, rsp = 0x80000): void {
  const { cpu, ram } = bench
  ram.writeU64(0x1000 as Gpa, 0x2003n | 4n)
  ram.writeU64(0x2000 as Gpa, 0x3003n | 4n)
  for (let i = 0; i < 512; i++) ram.writeU64((0x3000 + i * 8) as Gpa, BigInt(i * 0x200000) | 0x87n)
  const r = cpu.getRegisters()
  const flat = { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xc93 }
  Object.assign(r, { rip: BigInt(rip), rflags: 2n, cr0: 0x80000033n, cr3: 0x1000n, cr4: 0x620n, efer: 0xd01n })
  r.segments = { ...r.segments, cs: { selector: 8, base: 0n, limit: 0xffffffff, attributes: 0xa9b }, ds: flat, es: flat, ss: flat, fs: flat, gs: flat }
  r.gpr[4] = BigInt(rsp)
  cpu.setRegisters(r)
}

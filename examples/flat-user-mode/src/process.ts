import { createCpuModel, SoftwareVcpu } from '@entresol/cpu'
import type { SoftwareVcpuOptions } from '@entresol/cpu'
import { RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import type { Bus, Clock, Gpa, InterruptSource } from '@entresol/interfaces'
import { createMachineMemory, createPageWalker, FlatMemory, FlatWalker, GuestPhysicalMemory } from '@entresol/mmu'
import type { FrameMemory } from '@entresol/mmu'

/** Where a static program's code, data and stack are: linear addresses. */
export const CODE = 0x400000
export const DATA = 0x600000
export const STACK_TOP = 0xa00000
const DATA_BYTES = STACK_TOP - DATA
/** Below a program's code nothing is mapped. */
const FLAT_START = 0x10000

/** A process without a kernel: the vCPU runs its one thread, the host does what a kernel would. */
export interface Process {
  readonly cpu: SoftwareVcpu
  /** Places the program's code, at CODE; it may be executed and read. */
  load(code: Uint8Array): void
  /** All of data and stack, at DATA. */
  store(data: Uint8Array): void
  data(): Uint8Array
}

const CODE_CACHE_BYTES = 4 << 20

const createMemory = (guestBytes: number): FrameMemory => createMachineMemory({ bytes: guestBytes + CODE_CACHE_BYTES + (4 << 20) })

function createCpu(options: Pick<SoftwareVcpuOptions, 'memory' | 'physical' | 'walker' | 'flat'>): SoftwareVcpu {
  const bus: Bus = { read: () => 0xff, write: () => {} }
  const interrupts: InterruptSource = { pending: () => false, acknowledge: () => -1 }
  const clock: Clock = { now: () => 0, wallClock: () => 0, schedule: () => ({ cancel: () => {} }) }
  const apic = { apicBase: 0xfee00900n, writeApicBase: () => true, readMsr: () => undefined, writeMsr: () => false, tpr: 0, tscDeadline: 0n }
  const cpu = new SoftwareVcpu({
    ...options, id: 0, ports: bus, mmio: bus, interrupts, apic, clock, random: { nextU32: () => 4 }, model: createCpuModel('x86-64-v2'),
    codeCacheBytes: CODE_CACHE_BYTES
  })
  // The host takes every way into a kernel.
  Object.assign(cpu.intercepts, { exceptions: -1, softwareInterrupts: true, syscall: true, sysenter: true })
  cpu.interceptsChanged()
  return cpu
}

/** 64-bit code at CPL 3, paging on, SSE usable. */
function enterUserMode(cpu: SoftwareVcpu, cr3: bigint): void {
  const registers = cpu.getRegisters()
  const data = { selector: 0x2b, base: 0n, limit: 0xffffffff, attributes: 0xcf3 }
  const code = { ...data, selector: 0x33, attributes: 0xafb }
  Object.assign(registers, {
    rip: BigInt(CODE), rflags: 0x202n, cr0: 0x80010033n, cr3, cr4: 0x620n, efer: 0xd01n,
    segments: { ...registers.segments, cs: code, ss: data, ds: data, es: data, fs: data, gs: data }
  })
  cpu.setRegisters(registers)
}

/** As under a kernel: page tables, and a TLB in front of every access. */
export function createPagedProcess(): Process {
  const memory = createMemory(16 << 20)
  const ram = new GuestPhysicalMemory(memory)
  ram.addRam(16 << 20)
  const cpu = createCpu({ memory, physical: ram, walker: createPageWalker(memory, ram) })
  // Linear addresses are physical ones, in pages of 2 MiB: present, writable (bit 1), user (bit 2), 2 MiB (bit 7), no execution (bit 63).
  ram.writeU64(0x1000 as Gpa, 0x2007n)
  ram.writeU64(0x2000 as Gpa, 0x3007n)
  ram.writeU64((0x3000 + (CODE >> 21) * 8) as Gpa, BigInt(CODE) | 0x85n)
  for (let page = DATA; page < STACK_TOP; page += 1 << 21) ram.writeU64((0x3000 + (page >> 21) * 8) as Gpa, BigInt(page) | 0x87n | (1n << 63n))
  enterUserMode(cpu, 0x1000n)
  return {
    cpu,
    load: (code) => ram.write(CODE as Gpa, code),
    store: (data) => ram.write(DATA as Gpa, data),
    data: () => {
      const bytes = new Uint8Array(DATA_BYTES)
      ram.read(DATA as Gpa, bytes)
      return bytes
    }
  }
}

/** All of the address space in one piece: translated code compares an address with its end, and that is all. */
export function createFlatProcess(): Process {
  const memory = createMemory(STACK_TOP)
  const space = new FlatMemory(memory, { linear: FLAT_START, bytes: STACK_TOP - FLAT_START })
  const cpu = createCpu({ memory, physical: space, walker: new FlatWalker(space), flat: space.window })
  space.protect(DATA, DATA_BYTES, RIGHT_READ | RIGHT_WRITE)
  enterUserMode(cpu, 0n)
  return {
    cpu,
    load: (code) => {
      space.view(CODE, code.length)!.set(code)
      space.protect(CODE, Math.ceil(code.length / 4096) * 4096, RIGHT_READ | RIGHT_EXECUTE)
    },
    store: (data) => space.view(DATA, DATA_BYTES)!.set(data),
    data: () => space.view(DATA, DATA_BYTES)!.slice()
  }
}

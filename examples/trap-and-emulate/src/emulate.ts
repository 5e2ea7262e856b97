import type { Gpa, GuestMemory } from '@entresol/interfaces'
import type { Place, Privileged } from './decode.ts'
import { shadowSegment, shadowTable } from './descriptors.ts'
import { GUEST_BYTES } from './hardware.ts'
import type { VirtualCpu } from './virtual-cpu.ts'

/** What emulation needs from the monitor. */
export interface Machine {
  readonly cpu: VirtualCpu
  readonly memory: GuestMemory
  /** Virtual devices. */
  input(port: number, size: 1 | 2 | 4): number
  output(port: number, size: 1 | 2 | 4, value: number): void
  /** HLT: sleeps until the next virtual interrupt. EIP is behind the instruction. */
  halt(): void
}

/** `next`: go on behind the instruction; `jumped`: EIP is set; `fault`: the guest's own #GP(0). */
export type Outcome = 'next' | 'jumped' | 'fault'

const PAGING = 0x80000000
const PROTECTION = 1
const TASK_SWITCHED = 8

const inGuest = (linear: number, bytes: number): boolean => linear + bytes <= GUEST_BYTES

function readWord({ cpu, memory }: Machine, place: Place): number | undefined {
  if ('register' in place) return cpu.register(place.register) & 0xffff
  return inGuest(place.linear, 2) ? memory.readU16(place.linear as Gpa) : undefined
}

/** Stores a system register's word; a register operand takes `size` bytes of `value`. */
function writeWord({ cpu, memory }: Machine, { place, size }: Privileged, value: number): Outcome {
  if ('register' in place) {
    const old = cpu.register(place.register)
    cpu.setRegister(place.register, size === 2 ? (old & 0xffff0000) | (value & 0xffff) : value)
  } else {
    if (!inGuest(place.linear, 2)) return 'fault'
    memory.writeU16(place.linear as Gpa, value & 0xffff)
  }
  return 'next'
}

function readPseudoDescriptor({ memory }: Machine, { place, size }: Privileged): { base: number; limit: number } | undefined {
  if ('register' in place || !inGuest(place.linear, 6)) return undefined
  const base = memory.readU32((place.linear + 2) as Gpa)
  return { limit: memory.readU16(place.linear as Gpa), base: size === 2 ? base & 0xffffff : base }
}

function writePseudoDescriptor({ memory }: Machine, { place }: Privileged, table: { base: number; limit: number }): Outcome {
  if ('register' in place || !inGuest(place.linear, 6)) return 'fault'
  memory.writeU16(place.linear as Gpa, table.limit)
  memory.writeU32((place.linear + 2) as Gpa, table.base)
  return 'next'
}

/** Stays in protected mode without paging: the rest is virtual. */
function loadCr0(cpu: VirtualCpu, value: number): Outcome {
  if (value & PAGING || !(value & PROTECTION)) return 'fault'
  cpu.cr0 = value | 0x10
  return 'next'
}

function moveToControl(m: Machine, { reg, place }: Privileged): Outcome {
  const { cpu } = m
  const value = 'register' in place ? cpu.register(place.register) : 0
  if (reg === 0) return loadCr0(cpu, value)
  if (reg === 2) cpu.cr2 = value
  else if (reg === 3) cpu.cr3 = value
  else if (reg === 4) cpu.cr4 = value
  else return 'fault'
  return 'next'
}

function moveFromControl({ cpu }: Machine, { reg, place }: Privileged): Outcome {
  const value = [cpu.cr0, undefined, cpu.cr2, cpu.cr3, cpu.cr4][reg]
  if (value === undefined || !('register' in place)) return 'fault'
  cpu.setRegister(place.register, value)
  return 'next'
}

/** IRET to ring 0 of the guest. It traps because that selector has RPL 0 and the guest runs in ring 1 (SDM vol. 2A, IRET). */
function returnFromInterrupt({ cpu, memory }: Machine): Outcome {
  const { segments } = cpu.registers
  const at = cpu.register(4) + Number(segments.ss.base)
  if (!inGuest(at, 12)) return 'fault'
  const selector = memory.readU32((at + 4) as Gpa) & 0xffff
  const code = selector & 3 ? undefined : shadowSegment(memory, selector, 'code')
  if (!code) return 'fault'
  segments.cs = code
  cpu.eip = memory.readU32(at as Gpa)
  cpu.eflags = memory.readU32((at + 8) as Gpa)
  cpu.setRegister(4, cpu.register(4) + 12)
  return 'jumped'
}

function loadStackSegment(m: Machine, { place }: Privileged): Outcome {
  const selector = readWord(m, place)
  const stack = selector === undefined || selector & 3 ? undefined : shadowSegment(m.memory, selector, 'stack')
  if (!stack) return 'fault'
  m.cpu.registers.segments.ss = stack
  return 'next'
}

function loadMachineStatus(m: Machine, { place }: Privileged): Outcome {
  const word = readWord(m, place)
  // LMSW can set PE but not clear it.
  return word === undefined ? 'fault' : loadCr0(m.cpu, (m.cpu.cr0 & ~0xe) | (word & 0xf))
}

const input = (m: Machine, { port, size }: Privileged): Outcome => {
  const value = m.input(port ?? m.cpu.register(2) & 0xffff, size)
  const mask = size === 4 ? 0xffffffff : 2 ** (size * 8) - 1
  m.cpu.setRegister(0, (m.cpu.register(0) & ~mask) | (value & mask))
  return 'next'
}

const output = (m: Machine, { port, size }: Privileged): Outcome => {
  const value = m.cpu.register(0)
  m.output(port ?? m.cpu.register(2) & 0xffff, size, size === 4 ? value : value & (2 ** (size * 8) - 1))
  return 'next'
}

/** What each privileged instruction does to the virtual processor. */
const ACTIONS: Readonly<Record<string, (m: Machine, i: Privileged) => Outcome>> = {
  CLI: ({ cpu }) => {
    cpu.interruptsEnabled = false
    return 'next'
  },
  STI: ({ cpu }) => {
    cpu.interruptsEnabled = true
    return 'next'
  },
  HLT: (m, i) => {
    m.cpu.eip += i.length
    m.halt()
    return 'jumped'
  },
  IN: input, OUT: output, IRET: returnFromInterrupt, 'MOV SS': loadStackSegment, LMSW: loadMachineStatus,
  'MOV to CR': moveToControl, 'MOV from CR': moveFromControl,
  CLTS: ({ cpu }) => {
    cpu.cr0 &= ~TASK_SWITCHED
    return 'next'
  },
  WBINVD: () => 'next', INVLPG: () => 'next',
  LGDT: (m, i) => {
    const table = readPseudoDescriptor(m, i)
    if (!table) return 'fault'
    m.cpu.gdtr = table
    shadowTable(m.memory, table)
    return 'next'
  },
  LIDT: (m, i) => {
    const table = readPseudoDescriptor(m, i)
    if (!table) return 'fault'
    m.cpu.idtr = table
    return 'next'
  },
  LLDT: (m, { place }) => {
    const selector = readWord(m, place)
    if (selector === undefined) return 'fault'
    m.cpu.ldtr = selector
    return 'next'
  },
  LTR: (m, { place }) => {
    const selector = readWord(m, place)
    if (selector === undefined) return 'fault'
    m.cpu.tr = selector
    return 'next'
  },
  // These five trap only where the real CR4.UMIP is set.
  SGDT: (m, i) => writePseudoDescriptor(m, i, m.cpu.gdtr),
  SIDT: (m, i) => writePseudoDescriptor(m, i, m.cpu.idtr),
  SLDT: (m, i) => writeWord(m, i, m.cpu.ldtr),
  STR: (m, i) => writeWord(m, i, m.cpu.tr),
  SMSW: (m, i) => writeWord(m, i, m.cpu.cr0)
}

/** Carries out `instruction` on the virtual processor and moves EIP, unless it ends with the guest's own fault. */
export function emulate(machine: Machine, instruction: Privileged): Outcome {
  const outcome = ACTIONS[instruction.name]?.(machine, instruction) ?? 'fault'
  if (outcome === 'next') machine.cpu.eip += instruction.length
  return outcome
}

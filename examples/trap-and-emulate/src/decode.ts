import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { GUEST_BYTES } from './hardware.ts'
import type { VirtualCpu } from './virtual-cpu.ts'

/** Where an instruction's ModRM.rm operand is. */
export type Place = { readonly register: number } | { readonly linear: number }

/** A privileged instruction of 32-bit code, decoded from the bytes at CS:EIP. */
export interface Privileged {
  readonly name: string
  readonly length: number
  /** Operand size in bytes. */
  readonly size: 1 | 2 | 4
  /** ModRM.reg: control register number. */
  readonly reg: number
  readonly place: Place
  /** Immediate port, or undefined for DX. */
  readonly port: number | undefined
}

/** Reads the guest's code; beyond its memory it reads zeros. */
class Bytes {
  readonly #memory: GuestMemory
  readonly #start: number
  at = 0

  constructor(memory: GuestMemory, start: number) {
    this.#memory = memory
    this.#start = start
  }

  u8(): number {
    const address = this.#start + this.at++
    return address < GUEST_BYTES ? this.#memory.readU8(address as Gpa) : 0
  }

  i8(): number {
    return (this.u8() << 24) >> 24
  }

  i32(): number {
    return this.u8() | (this.u8() << 8) | (this.u8() << 16) | (this.u8() << 24)
  }
}

const ONE_BYTE: Readonly<Record<number, string>> = { 0xfa: 'CLI', 0xfb: 'STI', 0xf4: 'HLT', 0xcf: 'IRET' }
const PORTS: Readonly<Record<number, readonly [name: string, byte: boolean, immediate: boolean]>> = {
  0xe4: ['IN', true, true], 0xe5: ['IN', false, true], 0xe6: ['OUT', true, true], 0xe7: ['OUT', false, true],
  0xec: ['IN', true, false], 0xed: ['IN', false, false], 0xee: ['OUT', true, false], 0xef: ['OUT', false, false]
}
const GROUP_6 = ['SLDT', 'STR', 'LLDT', 'LTR']
const GROUP_7 = ['SGDT', 'SIDT', 'LGDT', 'LIDT', 'SMSW', undefined, 'LMSW', 'INVLPG']

/** ModRM with 32-bit addressing (SDM vol. 2A, 2.1.5); the segment is DS, or SS for frames. */
function place(bytes: Bytes, cpu: VirtualCpu): { reg: number; place: Place } {
  const modrm = bytes.u8()
  const mod = modrm >> 6
  const reg = (modrm >> 3) & 7
  const rm = modrm & 7
  if (mod === 3) return { reg, place: { register: rm } }
  let base = rm
  let offset = 0
  if (rm === 4) {
    const sib = bytes.u8()
    base = sib & 7
    const index = (sib >> 3) & 7
    if (index !== 4) offset = cpu.register(index) << (sib >> 6)
  }
  const absolute = mod === 0 && base === 5
  if (!absolute) offset += cpu.register(base)
  if (mod === 2 || absolute) offset += bytes.i32()
  else if (mod === 1) offset += bytes.i8()
  const segment = !absolute && (base === 4 || base === 5) ? 'ss' : 'ds'
  return { reg, place: { linear: (offset + Number(cpu.registers.segments[segment].base)) >>> 0 } }
}

/** The privileged instruction at CS:EIP, or undefined when it is another one and its fault belongs to the guest. */
export function decodePrivileged(memory: GuestMemory, cpu: VirtualCpu): Privileged | undefined {
  const bytes = new Bytes(memory, cpu.eip + Number(cpu.registers.segments.cs.base))
  let opcode = bytes.u8()
  const wide = opcode !== 0x66
  if (!wide) opcode = bytes.u8()
  const size = wide ? 4 : 2
  const found = (name: string | undefined, more: Partial<Privileged> = {}): Privileged | undefined =>
    name === undefined ? undefined : { name, length: bytes.at, size, reg: 0, place: { register: 0 }, port: undefined, ...more }

  const port = PORTS[opcode]
  if (port) {
    const [name, byte, immediate] = port
    return found(name, { ...(byte ? { size: 1 } : {}), ...(immediate ? { port: bytes.u8(), length: bytes.at } : {}) })
  }
  if (opcode === 0x8e) {
    const operand = place(bytes, cpu)
    return operand.reg === 2 ? found('MOV SS', { ...operand, length: bytes.at }) : undefined
  }
  if (opcode !== 0x0f) return found(ONE_BYTE[opcode])
  switch (bytes.u8()) {
    case 0x00: {
      const operand = place(bytes, cpu)
      return found(GROUP_6[operand.reg], { ...operand, length: bytes.at })
    }
    case 0x01: {
      const operand = place(bytes, cpu)
      return found(GROUP_7[operand.reg], { ...operand, length: bytes.at })
    }
    case 0x06: return found('CLTS')
    case 0x08: case 0x09: return found('WBINVD')
    case 0x20: return found('MOV from CR', { ...place(bytes, cpu), size: 4, length: bytes.at })
    case 0x22: return found('MOV to CR', { ...place(bytes, cpu), size: 4, length: bytes.at })
    default: return undefined
  }
}

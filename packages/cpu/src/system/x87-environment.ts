import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'

/** FLDENV, FNSTENV, FRSTOR, FNSAVE: SDM vol. 1, 8.1.10, figures 8-9 to 8-12. */

const STACK_BYTES = 80
/** Reserved bits of the control word read as zero but for bit 6. */
const CONTROL_BITS = 0x1f3f
const CONTROL_ONE = 0x40

/** Control and status words from memory: reserved control bits are dropped, the summary bits computed anew. */
export function loadFpuControl(state: CpuState, control: number, status: number): void {
  state.setU32(L.FPU_CONTROL, (control & CONTROL_BITS) | CONTROL_ONE)
  state.setU32(L.FPU_STATUS, status & 0x477f)
  state.setU32(L.FPU_TOP, (status >> 11) & 7)
  summariseFpu(state)
}

/** Error summary and B follow from the exceptions and their masks. */
function summariseFpu(state: CpuState): void {
  const pending = state.u32(L.FPU_STATUS) & ~state.u32(L.FPU_CONTROL) & 0x3f
  state.setU32(L.FPU_STATUS, (state.u32(L.FPU_STATUS) & ~0x8080) | (pending ? 0x8080 : 0))
}

/** Two bits a physical register: 0 valid, 1 zero, 2 special (NaN, infinity, denormal, unsupported), 3 empty. */
function tagWord({ state }: SystemContext): number {
  let tags = 0
  for (let i = 0; i < 8; i++) {
    const cell = L.FPU_REGISTERS + i * 16
    const exponent = state.u32(cell + 8) & 0x7fff
    const significand = state.u64(cell)
    let tag = 0
    if (state.u32(L.FPU_EMPTY) & (1 << i)) tag = 3
    else if (exponent === 0 && significand === 0n) tag = 1
    else if (exponent === 0 || exponent === 0x7fff || significand >> 63n === 0n) tag = 2
    tags |= tag << (2 * i)
  }
  return tags
}

const real = ({ state }: SystemContext): boolean => !state.protectedMode || state.virtual8086
const environmentBytes = (i: HostInstruction): 14 | 28 => (i.width === 16 ? 14 : 28)

/** Writes the environment: seven 16- or 32-bit fields, the upper halves of control, status and tags all ones. */
function storeEnvironment(c: SystemContext, view: DataView, bytes: 14 | 28): void {
  const { state } = c
  const ip = state.u32(L.FPU_IP)
  const dp = state.u32(L.FPU_DP)
  const opcode = state.u32(L.FPU_OPCODE) & 0x7ff
  const status = (state.u32(L.FPU_STATUS) & ~0x3800) | (state.u32(L.FPU_TOP) << 11)
  // Real mode has linear addresses: their bits from 16 on, in bits 12 and up of the next field (FCS and FDS are zero).
  const high = (address: number): number => (real(c) ? (address >>> 16) << 12 : 0)
  if (bytes === 14) {
    const fields = [state.u32(L.FPU_CONTROL), status, tagWord(c), ip, real(c) ? (high(ip) & 0xf000) | opcode : 0, dp, high(dp) & 0xf000]
    fields.forEach((field, n) => view.setUint16(n * 2, field & 0xffff, true))
    return
  }
  const upper = 0xffff0000
  const fields = real(c)
    ? [ip & 0xffff | upper, (high(ip) & 0xffff000) | opcode, dp & 0xffff | upper, high(dp) & 0xffff000]
    : [ip, opcode << 16, dp, upper]
  ;[state.u32(L.FPU_CONTROL) | upper, status | upper, tagWord(c) | upper, ...fields].forEach((field, n) => view.setUint32(n * 4, field >>> 0, true))
}

function loadEnvironment(c: SystemContext, view: DataView, bytes: 14 | 28): void {
  const { state } = c
  const wide = bytes === 28
  const field = (n: number): number => (wide ? view.getUint32(n * 4, true) : view.getUint16(n * 2, true))
  const tags = field(2)
  loadFpuControl(state, field(0), field(1))
  let empty = 0
  for (let i = 0; i < 8; i++) if (((tags >> (2 * i)) & 3) === 3) empty |= 1 << i
  state.setU32(L.FPU_EMPTY, empty)
  const linear = (low: number, next: number): number => (low & 0xffff) | ((next >>> 12) << 16)
  const [ip, next, dp, last] = [field(3), field(4), field(5), field(6)]
  state.setU64(L.FPU_IP, BigInt((real(c) ? linear(ip, next) : ip) >>> 0))
  state.setU64(L.FPU_DP, BigInt((real(c) ? linear(dp, last) : dp) >>> 0))
  // The 16-bit protected mode format has no opcode.
  state.setU32(L.FPU_OPCODE, real(c) ? next & 0x7ff : wide ? (next >>> 16) & 0x7ff : 0)
  state.setU32(L.FPU_CS, 0)
  state.setU32(L.FPU_DS, 0)
}

/** Linear address of the operand. Its first field is accessed first, then its last byte: CR2 of a crossing as Zen 4 has it. */
function operandAddress(c: SystemContext, i: HostInstruction, bytes: number, write: boolean): bigint {
  const linear = i.linear(bytes, write)
  c.memory.probe(linear, i.width === 16 ? 2 : 4, write, 'current', i.stackSegment)
  c.memory.probe(linear + BigInt(bytes - 1), 1, write, 'current', i.stackSegment)
  return linear
}

const loading = (registers: boolean): HostFunction => (c, i) => {
  const bytes = environmentBytes(i)
  const buffer = new Uint8Array(registers ? bytes + STACK_BYTES : bytes)
  c.memory.readBytes(operandAddress(c, i, buffer.length, false), buffer, 'current', i.stackSegment)
  const view = new DataView(buffer.buffer)
  loadEnvironment(c, view, bytes)
  if (!registers) return
  for (let n = 0; n < 8; n++) {
    const cell = L.FPU_REGISTERS + ((c.state.u32(L.FPU_TOP) + n) & 7) * 16
    c.state.setU64(cell, view.getBigUint64(bytes + n * 10, true))
    c.state.setU64(cell + 8, BigInt(view.getUint16(bytes + n * 10 + 8, true)))
  }
}

const storing = (registers: boolean): HostFunction => (c, i) => {
  const { state } = c
  const bytes = environmentBytes(i)
  const buffer = new Uint8Array(registers ? bytes + STACK_BYTES : bytes)
  const view = new DataView(buffer.buffer)
  storeEnvironment(c, view, bytes)
  for (let n = 0; registers && n < 8; n++) {
    const cell = L.FPU_REGISTERS + ((state.u32(L.FPU_TOP) + n) & 7) * 16
    view.setBigUint64(bytes + n * 10, state.u64(cell), true)
    view.setUint16(bytes + n * 10 + 8, state.u32(cell + 8) & 0xffff, true)
  }
  c.memory.writeBytes(operandAddress(c, i, buffer.length, true), buffer, 'current', i.stackSegment)
  if (registers) {
    // As FNINIT.
    state.setU32(L.FPU_CONTROL, 0x37f)
    for (const field of [L.FPU_STATUS, L.FPU_TOP, L.FPU_OPCODE]) state.setU32(field, 0)
    state.setU64(L.FPU_IP, 0n)
    state.setU64(L.FPU_DP, 0n)
    state.setU32(L.FPU_EMPTY, 0xff)
    return
  }
  // FNSTENV masks every exception.
  state.setU32(L.FPU_CONTROL, state.u32(L.FPU_CONTROL) | 0x3f)
  summariseFpu(state)
}

export const X87_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  fldenv: loading(false), frstor: loading(true), fnstenv: storing(false), fnsave: storing(true),
}

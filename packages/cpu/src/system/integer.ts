import { BR, DE, GuestFault } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, SystemContext } from './context.ts'

/** Long or rare unprivileged integer instructions (SDM vol. 2). */
const mask = (width: number): bigint => (1n << BigInt(width)) - 1n

/** Linear address of SS:offset; faults are #SS. */
const stackLinear = (c: SystemContext, offset: bigint): bigint =>
  c.state.mode64 ? offset : (c.state.segBase(L.SEG_SS) + offset) & 0xffffffffn

const setStackPointer = (c: SystemContext, value: bigint): void => {
  const m = c.state.u64(L.STACK_MASK)
  c.state.setGpr(4, (c.state.gpr(4) & ~m & 0xffffffffffffffffn) | (value & m))
}

const checkStack = (c: SystemContext, offset: bigint, size: number): void => {
  if (c.state.mode64) return
  const at = L.segment(L.SEG_SS)
  if (offset < BigInt(c.state.u32(at + L.SEG_FIRST)) || offset + BigInt(size) - 1n > BigInt(c.state.u32(at + L.SEG_LAST))) throw new GuestFault(12, 0)
}

const readStack = (c: SystemContext, offset: bigint, size: number): bigint => {
  checkStack(c, offset, size)
  return c.memory.read(stackLinear(c, offset), size, 'current', true)
}

const writeStack = (c: SystemContext, offset: bigint, size: number, value: bigint): void => {
  checkStack(c, offset, size)
  c.memory.write(stackLinear(c, offset), size, value, 'current', true)
}

/** PUSHA and POPA go register by register; a fault leaves what was done, and rSP where it was, so that running again is harmless. */
const pusha: HostFunction = (c, i) => {
  const bytes = i.width / 8
  const m = c.state.u64(L.STACK_MASK)
  const top = c.state.gpr(4) & m
  const image = Array.from({ length: 8 }, (_, n) => c.state.gpr(n) & mask(i.width))
  image.forEach((value, n) => writeStack(c, (top - BigInt(bytes * (n + 1))) & m, bytes, value))
  setStackPointer(c, top - BigInt(bytes * 8))
}

const popa: HostFunction = (c, i) => {
  const bytes = i.width / 8
  const m = c.state.u64(L.STACK_MASK)
  const top = c.state.gpr(4) & m
  for (let n = 0; n < 8; n++) {
    const value = readStack(c, (top + BigInt(bytes * n)) & m, bytes)
    const register = 7 - n
    if (register !== 4) c.state.setGpr(register, i.width === 16 ? (c.state.gpr(register) & ~0xffffn) | value : value)
  }
  setStackPointer(c, top + BigInt(bytes * 8))
}

/** ENTER size, level: the frame is written top down; rSP and rBP change only when everything could be written. */
const enter: HostFunction = (c, i) => {
  const bytes = i.width / 8
  const m = c.state.u64(L.STACK_MASK)
  const size = i.immediate & 0xffffn
  const level = Number((i.immediate >> 32n) & 0x1fn)
  let top = ((c.state.gpr(4) & m) - BigInt(bytes)) & m
  writeStack(c, top, bytes, c.state.gpr(5) & mask(i.width))
  const frame = top
  let base = c.state.gpr(5) & m
  for (let n = 1; n < level; n++) {
    base = (base - BigInt(bytes)) & m
    const value = readStack(c, base, bytes)
    top = (top - BigInt(bytes)) & m
    writeStack(c, top, bytes, value)
  }
  if (level > 0) {
    top = (top - BigInt(bytes)) & m
    writeStack(c, top, bytes, frame & mask(i.width))
  }
  top = (top - size) & m
  // The new top of the stack must be writable (SDM vol. 2, ENTER).
  checkStack(c, top, bytes)
  c.memory.probe(stackLinear(c, top), 1, true)
  const old = c.state.gpr(5)
  c.state.setGpr(5, i.width === 16 ? (old & ~0xffffn) | (frame & 0xffffn) : i.width === 32 ? frame & 0xffffffffn : frame)
  setStackPointer(c, top)
}

const bound: HostFunction = (c, i) => {
  const bytes = i.width / 8
  const at = i.linear(bytes * 2, false)
  const low = BigInt.asIntN(i.width, c.memory.read(at, bytes))
  const high = BigInt.asIntN(i.width, c.memory.read(at + BigInt(bytes), bytes))
  const index = BigInt.asIntN(i.width, c.state.u64(i.regCell))
  if (index < low || index > high) throw new GuestFault(BR)
}

/** ZF, SF, PF of AL with the given CF and AF. */
const adjusted = (c: SystemContext, al: number, cf: boolean, af: boolean): void => {
  const state = c.state
  let flags = state.u32(L.EFLAGS) | (cf ? L.FLAG_CF : 0) | (af ? L.FLAG_AF : 0)
  if (al === 0) flags |= L.FLAG_ZF
  if (al & 0x80) flags |= L.FLAG_SF
  let parity = al ^ (al >> 4)
  parity ^= parity >> 2
  parity ^= parity >> 1
  if (!(parity & 1)) flags |= L.FLAG_PF
  state.eflags = flags
}

const ax = (c: SystemContext): number => Number(c.state.gpr(0) & 0xffffn)
const setAx = (c: SystemContext, value: number): void => c.state.setGpr(0, (c.state.gpr(0) & ~0xffffn) | BigInt(value & 0xffff))

const decimal = (sign: 1 | -1): HostFunction => (c) => {
  const flags = c.state.eflags
  const old = ax(c) & 0xff
  let al = old
  let cf = false
  const af = (al & 0xf) > 9 || (flags & L.FLAG_AF) !== 0
  if (af) {
    cf = (flags & L.FLAG_CF) !== 0 || (sign === 1 ? al + 6 > 0xff : al < 6)
    al = (al + 6 * sign) & 0xff
  }
  if (old > 0x99 || flags & L.FLAG_CF) {
    al = (al + 0x60 * sign) & 0xff
    cf = true
  } else if (sign === 1) cf = false
  setAx(c, (ax(c) & 0xff00) | al)
  adjusted(c, al, cf, af)
}

const ascii = (sign: 1 | -1): HostFunction => (c) => {
  const adjust = (ax(c) & 0xf) > 9 || (c.state.eflags & L.FLAG_AF) !== 0
  let value = ax(c)
  if (adjust) value = sign === 1 ? value + 0x106 : value - 6 - 0x100
  setAx(c, value & 0xff0f)
  adjusted(c, value & 0xf, adjust, adjust)
}

const aam: HostFunction = (c, i) => {
  const base = Number(i.immediate & 0xffn)
  if (base === 0) throw new GuestFault(DE)
  const al = ax(c) & 0xff
  setAx(c, (Math.floor(al / base) << 8) | (al % base))
  adjusted(c, al % base, false, false)
}

const aad: HostFunction = (c, i) => {
  const value = ax(c)
  const al = ((value & 0xff) + (value >> 8) * Number(i.immediate & 0xffn)) & 0xff
  setAx(c, al)
  adjusted(c, al, false, false)
}

export const INTEGER_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  pusha, popa, enter, bound, daa: decimal(1), das: decimal(-1), aaa: ascii(1), aas: ascii(-1), aam, aad,
}

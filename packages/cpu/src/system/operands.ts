import * as L from '../state/layout.ts'
import type { HostInstruction, SystemContext } from './context.ts'

/** Reads a register cell (state offset) of 1, 2, 4 or 8 bytes. */
export function readCell(c: SystemContext, cell: number, size: number): bigint {
  const { view, base } = c.state
  const at = base + cell
  if (size === 8) return view.getBigUint64(at, true)
  return BigInt(size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at))
}

/** Writes a general register as instructions do: 32 bits clear the upper half, fewer keep the rest. */
export function writeCell(c: SystemContext, cell: number, size: number, value: bigint): void {
  const { view, base } = c.state
  const at = base + cell
  if (size >= 4) view.setBigUint64(at, BigInt.asUintN(size * 8, value), true)
  else if (size === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
  else view.setUint8(at, Number(BigInt.asUintN(8, value)))
}

/** ModRM.rm operand of `size` bytes. */
export function readE(c: SystemContext, i: HostInstruction, size: number): bigint {
  if (!i.memory) return readCell(c, i.rmCell, size)
  return c.memory.read(i.linear(size, false), size, 'current', i.stackSegment)
}

/** 16 bits to memory, or zero-extended to a register of the operand size (SLDT, STR, MOV from Sreg). */
export function storeWord(c: SystemContext, i: HostInstruction, value: bigint): void {
  if (i.memory) c.memory.write(i.linear(2, true), 2, value, 'current', i.stackSegment)
  else writeCell(c, i.rmCell, i.width / 8, value)
}

/** Size of a full register in the code segment's mode: 8 in 64-bit mode, else 4. */
export const registerBytes = (c: SystemContext): 4 | 8 => (c.state.mode64 ? 8 : 4)

export function setZero(c: SystemContext, on: boolean): void {
  const flags = c.state.eflags
  c.state.eflags = on ? flags | L.FLAG_ZF : flags & ~L.FLAG_ZF
}

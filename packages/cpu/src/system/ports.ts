import { STATUS_REPEAT } from '../interpreter/records.ts'
import { GP, GuestFault } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import { readCell, writeCell } from './operands.ts'
import { ioBitmapAllows } from './tss.ts'

type Size = 1 | 2 | 4

/** IN, OUT, INS and OUTS: allowed by CPL <= IOPL, else by the TSS's map (SDM vol. 1, 20.5). */
export function requirePort(c: SystemContext, port: number, size: Size): void {
  const { state } = c
  if (!state.protectedMode || (!state.virtual8086 && state.cpl <= state.iopl)) return
  if (!ioBitmapAllows(c, port, size)) throw new GuestFault(GP, 0)
}

const portOf = (c: SystemContext, i: HostInstruction, immediate: boolean): number =>
  immediate ? Number(i.immediate & 0xffn) : Number(c.state.gpr(2) & 0xffffn)
const sizeOf = (i: HostInstruction, byte: boolean): Size => (byte ? 1 : i.width === 16 ? 2 : 4)

const input = (byte: boolean, immediate: boolean): HostFunction => (c, i) => {
  const size = sizeOf(i, byte)
  const port = portOf(c, i, immediate)
  requirePort(c, port, size)
  writeCell(c, L.REGS, size, BigInt(c.ports.read(port, size) >>> 0))
  c.portAccessed(port, size)
}

const output = (byte: boolean, immediate: boolean): HostFunction => (c, i) => {
  const size = sizeOf(i, byte)
  const port = portOf(c, i, immediate)
  requirePort(c, port, size)
  c.ports.write(port, size, Number(readCell(c, L.REGS, size)))
  c.portAccessed(port, size)
}

/** One iteration; with REP each counts as an instruction, so that interrupts come between (vol. 2A, REP). */
const string = (byte: boolean, move: (c: SystemContext, i: HostInstruction, size: Size) => number): HostFunction => (c, i) => {
  const repeated = i.repeat !== 'none'
  const count = i.addressRegister(1)
  if (repeated && count === 0n) return undefined
  const size = sizeOf(i, byte)
  const pointer = move(c, i, size)
  i.advanceAddressRegister(pointer, c.state.flag(L.FLAG_DF) ? -size : size)
  c.portAccessed(Number(c.state.gpr(2) & 0xffffn), size)
  if (!repeated) return undefined
  i.advanceAddressRegister(1, -1)
  return count === 1n ? undefined : STATUS_REPEAT
}

function ins(c: SystemContext, i: HostInstruction, size: Size): number {
  const port = Number(c.state.gpr(2) & 0xffffn)
  requirePort(c, port, size)
  const linear = i.stringLinear('destination', size)
  // The port is read only when the store will succeed.
  c.memory.probe(linear, size, true)
  c.memory.write(linear, size, BigInt(c.ports.read(port, size) >>> 0))
  return 7
}

function outs(c: SystemContext, i: HostInstruction, size: Size): number {
  const port = Number(c.state.gpr(2) & 0xffffn)
  requirePort(c, port, size)
  const value = c.memory.read(i.stringLinear('source', size), size, 'current', i.stackSegment)
  c.ports.write(port, size, Number(value))
  return 6
}

export const PORT_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  'in-byte': input(true, false),
  in: input(false, false),
  'in-byte-immediate': input(true, true),
  'in-immediate': input(false, true),
  'out-byte': output(true, false),
  out: output(false, false),
  'out-byte-immediate': output(true, true),
  'out-immediate': output(false, true),
  'ins-byte': string(true, ins),
  ins: string(false, ins),
  'outs-byte': string(true, outs),
  outs: string(false, outs),
}

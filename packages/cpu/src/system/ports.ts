import { DR7_ENABLES } from '@entresol/x86'
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
  if (repeated && move === ins) {
    const moved = insBlock(c, i, size, count)
    if (moved > 0) return BigInt(moved) === count ? undefined : STATUS_REPEAT
  }
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

/** Iterations of REP INS at once at most: a sector of words. */
const BLOCK = 256

/**
 * REP INS into one page of plain RAM: as many iterations as no one can tell from single ones, 0 when that is none. Ends early when the
 * device asks for attention: an interrupt, a stop.
 */
function insBlock(c: SystemContext, i: HostInstruction, size: Size, count: bigint): number {
  const { state } = c
  if (state.flag(L.FLAG_DF | L.FLAG_TF) || state.u32(L.DR + 56) & DR7_ENABLES) return 0
  const port = Number(state.gpr(2) & 0xffffn)
  requirePort(c, port, size)
  const offset = i.addressRegister(7)
  const linear = i.stringLinear('destination', size)
  let room = count < BigInt(BLOCK) ? Number(count) : BLOCK
  // Up to the end of the page, of 64 KiB (the smallest address size), and of the segment.
  room = Math.min(room, Math.floor((0x1000 - Number(linear & 0xfffn)) / size), Math.floor((0x10000 - Number(offset & 0xffffn)) / size))
  if (!state.mode64) room = Math.min(room, Math.floor((state.u32(L.segment(L.SEG_ES) + L.SEG_LAST) - Number(offset) + 1) / size))
  if (room <= 1) return 0
  const address = c.memory.direct(linear, true)
  if (address < 0) return 0
  const { view } = state
  let done = 0
  do {
    const value = c.ports.read(port, size)
    if (state.u32(L.KICK)) {
      // Another thread may have taken the page while the device answered.
      c.memory.write(linear + BigInt(done++ * size), size, BigInt(value >>> 0))
      break
    }
    const at = address + done * size
    if (size === 1) view.setUint8(at, value)
    else if (size === 2) view.setUint16(at, value, true)
    else view.setUint32(at, value, true)
    done++
  } while (done < room && (state.u32(L.FUEL) | 0) >= 0 && !(state.u32(L.INTERRUPT_PENDING) && state.flag(L.FLAG_IF)))
  i.advanceAddressRegister(7, done * size)
  i.advanceAddressRegister(1, -done)
  return done
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

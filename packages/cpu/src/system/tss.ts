import { GuestFault, TS } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'
import { maskLinear, selectorError } from './descriptors.ts'

/** Reads `size` bytes of the current TSS; beyond its limit is #TS with TR's selector. */
export function readTss(c: SystemContext, offset: number, size: number): bigint {
  const { state } = c
  if (offset + size - 1 > state.segLimit(L.SEG_TR)) throw new GuestFault(TS, selectorError(state.selector(L.SEG_TR)))
  return c.memory.read(maskLinear(c, state.segBase(L.SEG_TR) + BigInt(offset)), size, 'supervisor')
}

export const isTss32 = (c: SystemContext): boolean => (c.state.attributes(L.SEG_TR) & 8) !== 0

/** SS and ESP for inner level `level` from the 16- or 32-bit TSS (SDM vol. 3, figures 9-2 and 9-10). */
export function innerStackPointer(c: SystemContext, level: number): { selector: number; pointer: bigint } {
  if (isTss32(c)) {
    return { pointer: readTss(c, level * 8 + 4, 4), selector: Number(readTss(c, level * 8 + 8, 2)) }
  }
  return { pointer: readTss(c, level * 4 + 2, 2), selector: Number(readTss(c, level * 4 + 4, 2)) }
}

/** RSP for level 0..2, or for IST entry 1..7, from the 64-bit TSS (figure 9-11). */
export const longStackPointer = (c: SystemContext, level: number, ist: number): bigint => readTss(c, ist ? ist * 8 + 28 : level * 8 + 4, 8)

/** True when the I/O permission bitmap allows `size` ports from `port` (SDM vol. 1, 20.5.2). */
export function ioBitmapAllows(c: SystemContext, port: number, size: number): boolean {
  const { state } = c
  const attributes = state.attributes(L.SEG_TR)
  const limit = state.segLimit(L.SEG_TR)
  // Only a 32-bit (or 64-bit) TSS has a map, and the map base lies at 66H.
  if (!(attributes & 0x80) || !(attributes & 8) || limit < 0x67) return false
  const map = Number(readTss(c, 0x66, 2))
  const at = map + (port >> 3)
  // Two bytes are read always: the map ends with a byte of ones.
  if (at + 1 > limit) return false
  const bits = Number(readTss(c, at, 2)) >> (port & 7)
  return (bits & ((1 << size) - 1)) === 0
}

import { GuestFault, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'

/** Vector instructions whose memory accesses depend on a mask: elements that are masked out are not touched and cannot fault. */

type Size = 1 | 4 | 8

const readElement = (c: SystemContext, cell: number, size: Size): bigint => {
  const { view, base } = c.state
  return size === 8 ? view.getBigUint64(base + cell, true) : BigInt(size === 4 ? view.getUint32(base + cell, true) : view.getUint8(base + cell))
}

function writeElement(c: SystemContext, cell: number, size: Size, value: bigint): void {
  const { view, base } = c.state
  if (size === 8) view.setBigUint64(base + cell, value, true)
  else view.setUint32(base + cell, Number(value & 0xffffffffn), true)
}

const signBit = (c: SystemContext, cell: number, size: number): boolean => (c.state.view.getUint8(c.state.base + cell + size - 1) & 0x80) !== 0

/** VMASKMOVPS/PD, VPMASKMOVD/Q from memory: masked-out elements of the destination become zero. */
const maskedLoad = (size: 4 | 8): HostFunction => (c, i) => {
  const loaded = new BigUint64Array(32 / size)
  for (let at = 0; at < i.vectorBytes; at += size) {
    if (!signBit(c, i.vvvvCell + at, size)) continue
    loaded[at / size] = c.memory.read(i.linearBehind(at, size, false), size, 'current', i.stackSegment)
  }
  loaded.forEach((value, n) => writeElement(c, i.regCell + n * size, size, value))
}

/** Every element is known to be writable before the first is written. */
function maskedStore(
  c: SystemContext, i: HostInstruction, linearOf: (at: number) => bigint, size: Size, bytes: number, maskCell: number, sourceCell: number,
): void {
  const places: [linear: bigint, value: bigint][] = []
  for (let at = 0; at < bytes; at += size) {
    if (!signBit(c, maskCell + at, size)) continue
    const linear = linearOf(at)
    c.memory.probe(linear, size, true, 'current', i.stackSegment)
    places.push([linear, readElement(c, sourceCell + at, size)])
  }
  for (const [linear, value] of places) c.memory.write(linear, size, value, 'current', i.stackSegment)
}

const maskedStoreVector = (size: 4 | 8): HostFunction => (c, i) =>
  maskedStore(c, i, (at) => i.linearBehind(at, size, true), size, i.vectorBytes, i.vvvvCell, i.regCell)

/**
 * MASKMOVQ, MASKMOVDQU: bytes of ModRM.reg to DS:rDI where ModRM.rm has bit 7 set. Whether bytes that are not written may fault is the
 * processor's choice (SDM vol. 2, MASKMOVDQU); on a Zen 4 they do in the VEX form.
 */
const maskedBytes = (bytes: 8 | 16, whole: boolean): HostFunction => (c, i) => {
  if (whole) c.memory.probe(i.linearAt(i.addressRegister(7), bytes, true), bytes, true)
  maskedStore(c, i, (at) => i.linearAt(i.addressRegister(7) + BigInt(at), 1, true), 1, bytes, i.rmCell, i.regCell)
  if (bytes === 16) return
  c.state.setU32(L.FPU_TOP, 0)
  c.state.setU32(L.FPU_EMPTY, 0)
}

/**
 * VGATHER.., VPGATHER..: destination ModRM.reg, mask VEX.vvvv. An element that is done or skipped clears its mask, so that the
 * instruction starts again behind it after a fault (SDM vol. 2, VPGATHERDD). The rest of the mask stays as it is until the end: so a
 * Zen 4 has it, where the SDM's pseudocode spreads the sign bits first.
 */
const gather = (indexSize: 4 | 8, size: 4 | 8): HostFunction => (c, i) => {
  const { base, indexCell, scale } = i.vectorAddress()
  const [destination, mask] = [i.regCell, i.vvvvCell]
  if (destination === mask || destination === indexCell || mask === indexCell) throw new GuestFault(UD)
  const count = i.vectorBytes / Math.max(indexSize, size)
  for (let n = 0; n < count; n++) {
    if (!signBit(c, mask + n * size, size)) {
      writeElement(c, mask + n * size, size, 0n)
      continue
    }
    const index = BigInt.asIntN(indexSize * 8, readElement(c, indexCell + n * indexSize, indexSize))
    const value = c.memory.read(i.linearAt(base + (index << BigInt(scale)), size, false), size, 'current', i.stackSegment)
    writeElement(c, destination + n * size, size, value)
    writeElement(c, mask + n * size, size, 0n)
  }
  for (let at = 0; at < 32; at += 4) {
    writeElement(c, mask + at, 4, 0n)
    if (at >= count * size) writeElement(c, destination + at, 4, 0n)
  }
}

export const SIMD_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  'masked-load-32': maskedLoad(4), 'masked-load-64': maskedLoad(8),
  'masked-store-32': maskedStoreVector(4), 'masked-store-64': maskedStoreVector(8),
  maskmovq: maskedBytes(8, false), maskmovdqu: maskedBytes(16, false), vmaskmovdqu: maskedBytes(16, true),
  'gather-32-32': gather(4, 4), 'gather-32-64': gather(4, 8), 'gather-64-32': gather(8, 4), 'gather-64-64': gather(8, 8),
}

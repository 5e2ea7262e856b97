import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'

/** Each of the low four bits spread over a byte lane: plane mask to 32-bit mask. */
const LANES: Uint32Array = Uint32Array.from(
  { length: 16 },
  (_, m) => (m & 1 ? 0xff : 0) + (m & 2 ? 0xff00 : 0) + (m & 4 ? 0xff0000 : 0) + (m & 8 ? 0xff000000 : 0),
)

/**
 * The path between processor and planar memory: latches, write modes 0 to 3, read modes 0 and 1, odd/even and chain-4 addressing
 * ("Graphics Controller", data flow). Plane p's byte n lies at VRAM byte 4n + p, so that the four latches are one 32-bit word.
 */
export class PlanarMemory {
  readonly #vram: Uint8Array
  readonly #words: Uint32Array

  constructor(vram: Uint8Array) {
    this.#vram = vram
    this.#words = new Uint32Array(vram.buffer, vram.byteOffset, vram.length >> 2)
  }

  /** Reads the byte at window offset `offset` (from A0000h); 0xff where the window is not decoded. */
  read(r: VgaRegisters, offset: number): number {
    let address = decode(r, offset)
    if (address < 0) return 0xff
    let plane = r.graphics[spec.GR_READ_MAP]
    if (r.sequencer[spec.SR_MEMORY_MODE] & spec.MEMORY_CHAIN_4) {
      plane = address & 3
      address &= ~3
    } else if (r.graphics[spec.GR_MODE] & spec.MODE_ODD_EVEN) {
      plane = (plane & 2) | (address & 1)
      if (r.graphics[spec.GR_MISC] & spec.MISC_CHAIN_ODD_EVEN) address &= ~1
    }
    r.latch = this.#words[address & spec.PLANE_MASK]
    if (!(r.graphics[spec.GR_MODE] & spec.MODE_READ_1)) return (r.latch >>> (8 * plane)) & 0xff
    // Read mode 1: a one for every pixel whose colour, in the planes that care, is the compare colour.
    const differing = (r.latch ^ LANES[r.graphics[spec.GR_COLOR_COMPARE]]) & LANES[r.graphics[spec.GR_COLOR_DONT_CARE]]
    return ~(differing | (differing >>> 8) | (differing >>> 16) | (differing >>> 24)) & 0xff
  }

  write(r: VgaRegisters, offset: number, value: number): void {
    let address = decode(r, offset)
    if (address < 0) return
    let planes = r.sequencer[spec.SR_MAP_MASK]
    const memoryMode = r.sequencer[spec.SR_MEMORY_MODE]
    if (memoryMode & spec.MEMORY_CHAIN_4) {
      planes &= 1 << (address & 3)
      address &= ~3
    } else if (!(memoryMode & spec.MEMORY_NOT_ODD_EVEN)) {
      planes &= address & 1 ? 0x0a : 0x05
      if (r.graphics[spec.GR_MISC] & spec.MISC_CHAIN_ODD_EVEN) address &= ~1
    }
    const lanes = LANES[planes]
    const index = address & spec.PLANE_MASK
    this.#words[index] = (this.#words[index] & ~lanes) | (transform(r, value) & lanes)
  }

  /** Linear access for the banked window and the linear framebuffer; out of range reads as ones. */
  readLinear(address: number): number {
    return address < this.#vram.length ? this.#vram[address] : 0xff
  }

  writeLinear(address: number, value: number): void {
    if (address < this.#vram.length) this.#vram[address] = value
  }
}

/** Offset into a plane for a window offset, by GR6 bits 3..2; -1 outside the selected map or with memory disabled. */
function decode(r: VgaRegisters, offset: number): number {
  if (!(r.misc & spec.MISC_RAM_ENABLE)) return -1
  switch ((r.graphics[spec.GR_MISC] >> 2) & 3) {
    case 0: return offset
    case 1: return offset < 0x10000 ? offset : -1
    case 2: return offset >= 0x10000 && offset < 0x18000 ? offset - 0x10000 : -1
    default: return offset >= 0x18000 ? offset - 0x18000 : -1
  }
}

/** What the graphics controller sends to the four planes for a processor byte. */
function transform(r: VgaRegisters, value: number): number {
  const g = r.graphics
  const count = g[spec.GR_ROTATE] & 7
  const setReset = LANES[g[spec.GR_SET_RESET]]
  let mask = g[spec.GR_BIT_MASK]
  let data: number
  switch (g[spec.GR_MODE] & 3) {
    case 1: return r.latch
    case 2: data = LANES[value & 0x0f]; break
    case 3:
      mask &= rotate(value, count)
      data = setReset
      break
    default: {
      const enable = LANES[g[spec.GR_ENABLE_SET_RESET]]
      data = ((rotate(value, count) * 0x01010101) & ~enable) | (setReset & enable)
    }
  }
  switch (g[spec.GR_ROTATE] >> 3) {
    case 1: data &= r.latch; break
    case 2: data |= r.latch; break
    case 3: data ^= r.latch; break
    default: break
  }
  const bits = mask * 0x01010101
  return (data & bits) | (r.latch & ~bits)
}

function rotate(value: number, count: number): number {
  return ((value >> count) | (value << (8 - count))) & 0xff
}

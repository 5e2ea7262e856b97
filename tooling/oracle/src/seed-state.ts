import { EXT_FCW, EXT_FSW, EXT_FTW, EXT_MXCSR, EXT_ST, EXT_YMM, EXTENDED_SIZE } from './case.ts'
import type { Fill } from './interesting.ts'
import { fill, FILLS, interesting64, interestingF80 } from './interesting.ts'
import { DATA_ADDRESS, STACK_DEFAULT } from './layout.ts'
import { Random } from './random.ts'

/** Which state of a case is random; what is off keeps its default and costs nothing in a vector file. */
export interface Flavour {
  readonly mode: 64 | 32
  /** x87 registers, control and status. */
  readonly x87?: boolean
  /** XMM0..15, and MXCSR. */
  readonly sse?: boolean
  /** Upper halves of YMM too. */
  readonly avx?: boolean
  /** What registers and derived memory operands are filled with. */
  readonly fill?: Fill
  /** Whether control registers may unmask exceptions and change rounding (default yes). */
  readonly quietControls?: boolean
}

/** One byte: mode, x87, sse, avx, fill (3 bits), quiet. */
export function flavourByte(f: Flavour): number {
  return (f.mode === 32 ? 1 : 0) | (f.x87 ? 2 : 0) | (f.sse ? 4 : 0) | (f.avx ? 8 : 0) | (FILLS.indexOf(f.fill ?? 'integer') << 4) | (f.quietControls ? 128 : 0)
}

export function flavourFromByte(byte: number): Flavour {
  return {
    mode: byte & 1 ? 32 : 64,
    x87: (byte & 2) !== 0,
    sse: (byte & 4) !== 0,
    avx: (byte & 8) !== 0,
    fill: FILLS[(byte >> 4) & 7] ?? 'integer',
    quietControls: (byte & 128) !== 0,
  }
}

/** State of a case before the generator changes anything. */
export interface SeedState {
  readonly gpr: BigUint64Array
  rflags: number
  readonly extended: Uint8Array | undefined
}

const ARITHMETIC_FLAGS = 0x8d5

/** The registers of a seed. Deterministic for ever: vector files store only the seed and what differs from this. */
export function stateFromSeed(seed: number, flavour: Flavour): SeedState {
  const random = new Random(seed)
  const gpr = new BigUint64Array(16)
  const earlier: bigint[] = []
  for (let i = 0; i < (flavour.mode === 64 ? 16 : 8); i++) {
    const value = BigInt.asUintN(flavour.mode, interesting64(random, earlier))
    gpr[i] = value
    earlier.push(value)
  }
  gpr[4] = BigInt(STACK_DEFAULT - 8 * random.below(64))
  const rflags = 0x202 | (random.next() & ARITHMETIC_FLAGS) | (random.oneIn(8) ? 0x400 : 0)
  if (!flavour.x87 && !flavour.sse && !flavour.avx) return { gpr, rflags, extended: undefined }
  return { gpr, rflags, extended: extendedFromSeed(random, flavour) }
}

function extendedFromSeed(random: Random, flavour: Flavour): Uint8Array {
  const extended = new Uint8Array(EXTENDED_SIZE)
  const view = new DataView(extended.buffer)
  const quiet = flavour.quietControls ?? false
  view.setUint16(EXT_FCW, 0x37f, true)
  view.setUint32(EXT_MXCSR, 0x1f80, true)
  if (flavour.x87) x87FromSeed(random, view, quiet)
  if (flavour.sse || flavour.avx) {
    const kind = flavour.fill ?? 'integer'
    for (let i = 0; i < (flavour.mode === 64 ? 16 : 8); i++) {
      const width = flavour.avx ? 32 : 16
      const register = extended.subarray(EXT_YMM + 32 * i, EXT_YMM + 32 * i + width)
      if (i > 0 && random.oneIn(8)) register.set(extended.subarray(EXT_YMM, EXT_YMM + width))
      else fill(random, register, kind)
    }
    view.setUint32(EXT_MXCSR, quiet ? 0x1f80 : mxcsrFromSeed(random), true)
  }
  return extended
}

function mxcsrFromSeed(random: Random): number {
  let mxcsr = 0x1f80
  if (random.oneIn(3)) mxcsr |= random.below(4) << 13
  if (random.oneIn(8)) mxcsr |= 0x8000
  if (random.oneIn(8)) mxcsr |= 0x40
  if (random.oneIn(8)) mxcsr |= random.below(64)
  if (random.oneIn(16)) mxcsr &= ~((random.next() & 0x3f) << 7)
  return mxcsr
}

function x87FromSeed(random: Random, view: DataView, quiet: boolean): void {
  // MMX instructions set TOP to 0 and all tags; a state that is like that already keeps their outcomes small.
  const settled = quiet && !random.oneIn(8)
  const top = settled ? 0 : random.below(8)
  let fcw = 0x37f
  if (!quiet && random.oneIn(3)) fcw = (fcw & ~0xf00) | (random.pick([0, 2, 3]) << 8) | (random.below(4) << 10)
  if (!quiet && random.oneIn(16)) fcw &= ~(random.next() & 0x3f)
  // Condition codes are free; sticky exception flags only while all are masked, so that ES (bit 7) stays 0.
  let fsw = (top << 11) | (random.next() & 0x4700)
  if ((fcw & 0x3f) === 0x3f && random.oneIn(4)) fsw |= random.below(128)
  const tags = !settled && random.oneIn(4) ? random.next() & 0xff : 0xff
  view.setUint16(EXT_FCW, fcw, true)
  view.setUint16(EXT_FSW, fsw, true)
  view.setUint8(EXT_FTW, tags)
  for (let i = 0; i < 8; i++) {
    const { head, significand } = interestingF80(random)
    const copy = i > 0 && random.oneIn(8)
    view.setBigUint64(EXT_ST + 10 * i, copy ? view.getBigUint64(EXT_ST, true) : significand, true)
    view.setUint16(EXT_ST + 10 * i + 8, copy ? view.getUint16(EXT_ST + 8, true) : head, true)
  }
}

/** Content of a memory operand that a vector names by address and length only. */
export function memoryFromSeed(seed: number, flavour: Flavour, length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length)
  fill(new Random((seed ^ Math.imul(salt + 1, 0x2545f491)) >>> 0), bytes, flavour.fill ?? 'integer')
  return bytes
}

/** Whether a value is a pointer into the data window that a vector can store as an offset. */
export function windowOffset(value: bigint): number {
  const offset = Number(value) - DATA_ADDRESS
  return offset >= -0x8000 && offset < 0x8000 ? offset + 0x8000 : -1
}

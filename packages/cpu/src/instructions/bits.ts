import { i32, i64 } from '@entresol/wasm-builder'
import { and, constant, eqz, low32, narrow, not, or, shl, shrU, sign64, sub, add, widen, xor, zero64 } from '../emit/arithmetic.ts'
import type { Emitter, I32, I64, Int, Width } from '../emit/emitter.ts'
import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF, FLAGS_ARITHMETIC } from '../state/layout.ts'
import { multiplyHigh } from './multiply.ts'
import { row } from './row.ts'
import type { Emit, Row } from './row.ts'

/** Bit tests, scans and counts, BMI1, BMI2, ADX (SDM vol. 2). */
type BitChange = (a: Int, bit: Int) => Int

const keep: BitChange = (a) => a
const set: BitChange = (a, b) => or(a, b)
const reset: BitChange = (a, b) => and(a, not(b))
const complement: BitChange = (a, b) => xor(a, b)

/**
 * BT family. With a memory operand and a register offset, the operand is a bit string: the offset is signed and selects another word
 * of it (SDM vol. 2, 3.1.1.9). CF gets the bit; the rest is kept.
 */
const bitTest = (change: BitChange): Emit => (e) => {
  const width = e.widthOf(0)
  const offset = e.get(1)
  const log = width === 16 ? 4 : width === 32 ? 5 : 6
  if (e.isMemory(0) && e.widthOf(1) !== 8) {
    const words = i64.shr_s(sign64(width, offset), i64.const(log))
    e.displaceAddress(e.b.let(i64.shl(words, i64.const(log - 3))))
  }
  const index = e.b.let(and(e.widthOf(1) === 8 ? widen(width, low32(offset)) : offset, constant(width, width - 1)))
  const bit = e.b.let(shl(constant(width, 1), index))
  const test = (a: Int): void => e.setCarry(i32.and(low32(shrU(a, index)), i32.const(1)))
  if (change === keep) test(e.get(0))
  else {
    e.modify(0, (a) => {
      const r = e.b.let(change(a, bit))
      test(a)
      return r
    })
  }
}

const zeroFlag = (e: Emitter, zero: I32): void =>
  e.setArithmeticFlags(i32.or(i32.and(e.arithmeticFlags(), i32.const(~FLAG_ZF)), i32.shl(zero, i32.const(6))))

/** Counts in the operand's width; i32 counts are corrected for the bits above. */
const trailingZeros = (a: Int): Int => (a.type === 'i64' ? i64.ctz(a) : i32.ctz(a))
const leadingZeros = (width: Width, a: Int): Int => (a.type === 'i64' ? i64.clz(a) : i32.sub(i32.clz(a), i32.const(32 - width)))

/** BSF and BSR leave the destination alone when the source is zero. */
const scan = (forward: boolean): Emit => (e) => {
  const width = e.widthOf(0)
  const a = e.get(1)
  const zero = e.b.let(eqz(a))
  zeroFlag(e, zero)
  e.b.if(i32.eqz(zero), () => e.set(0, forward ? trailingZeros(a) : sub(constant(width, width - 1), leadingZeros(width, a))))
}

/** TZCNT and LZCNT: CF for a zero source, ZF for a zero result. */
const count = (forward: boolean): Emit => (e) => {
  const width = e.widthOf(0)
  const a = e.get(1)
  const guarded = forward && width < 32 ? i32.or(a as I32, i32.const(1 << width)) : a
  const r = e.b.let(forward ? trailingZeros(guarded) : leadingZeros(width, a))
  e.flagsSet(width, r, e.b.let(eqz(a)), i32.const(0))
  e.set(0, r)
}

const populationCount: Emit = (e) => {
  const a = e.get(1)
  const r = e.b.let(a.type === 'i64' ? i64.popcnt(a) : i32.popcnt(a))
  e.setArithmeticFlags(i32.shl(eqz(a), i32.const(6)))
  e.set(0, r)
}

/** BMI1/2: three-operand forms, no partial registers, 32 or 64 bits. */
const andNot: Emit = (e) => {
  const b = e.get(2)
  const r = e.b.let(and(not(e.get(1)), b))
  e.flagsLogic(e.widthOf(0), r)
  e.set(0, r)
}

/** BLSR, BLSMSK, BLSI: destination is VEX.vvvv. */
const lowest = (kind: 'reset' | 'mask' | 'isolate'): Emit => (e) => {
  const width = e.widthOf(0)
  const a = e.get(1)
  const one = constant(width, 1)
  const r = e.b.let(kind === 'reset' ? and(a, sub(a, one)) : kind === 'mask' ? xor(a, sub(a, one)) : and(a, sub(constant(width, 0), a)))
  const zero = eqz(a)
  e.flagsSet(width, r, e.b.let(kind === 'isolate' ? i32.eqz(zero) : zero), i32.const(0))
  e.set(0, r)
}

/** Bits [start, start + length) of the source. */
const bitExtract: Emit = (e) => {
  const width = e.widthOf(0)
  const a = e.get(1)
  const control = low32(e.get(2))
  const start = e.b.let(i32.and(control, i32.const(0xff)))
  const length = e.b.let(i32.and(i32.shr_u(control, i32.const(8)), i32.const(0xff)))
  const r = e.b.variable(constant(width, 0))
  e.b.if(i32.lt_u(start, i32.const(width)), () => {
    const shifted = e.b.let(shrU(a, widen(width, start)))
    e.b.set(r, shifted)
    const ones = sub(shl(constant(width, 1), widen(width, length)), constant(width, 1))
    e.b.if(i32.lt_u(length, i32.const(width)), () => e.b.set(r, and(shifted, ones)))
  })
  e.setArithmeticFlags(i32.shl(eqz(r.get as Int), i32.const(6)))
  e.set(0, r.get as Int)
}

/** BZHI: bits from the index up are cleared; CF when the index is beyond the operand. */
const zeroHigh: Emit = (e) => {
  const width = e.widthOf(0)
  const a = e.get(1)
  const index = e.b.let(i32.and(low32(e.get(2)), i32.const(0xff)))
  const r = e.b.variable(a)
  const ones = sub(shl(constant(width, 1), widen(width, index)), constant(width, 1))
  e.b.if(i32.lt_u(index, i32.const(width)), () => e.b.set(r, and(a, ones)))
  e.flagsSet(width, r.get as Int, e.b.let(i32.gt_u(index, i32.const(width - 1))), i32.const(0))
  e.set(0, r.get as Int)
}

/** SARX, SHLX, SHRX, RORX: no flags. */
const shiftX = (kind: 'shl' | 'shr_u' | 'shr_s' | 'rotr'): Emit => (e) => {
  const a = e.get(1)
  const n = e.get(2)
  if (a.type === 'i64') e.set(0, i64[kind](a, n.type === 'i64' ? n : i64.extend_i32_u(n)))
  else e.set(0, i32[kind](a, low32(n)))
}

/** PDEP and PEXT by walking the mask's set bits. */
const deposit = (extract: boolean): Emit => (e) => {
  const width = e.widthOf(0)
  const source = e.b.variable(zero64(e.get(1)))
  const rest = e.b.variable(zero64(e.get(2)))
  const r = e.b.variable(i64.const(0))
  const place = e.b.variable(i64.const(1))
  e.b.block((done) => {
    e.b.loop((again) => {
      e.b.brIf(done, i64.eqz(rest.get))
      const lowest = e.b.let(i64.and(rest.get, i64.sub(i64.const(0), rest.get)))
      const take = extract ? i64.and(source.get, lowest) : i64.and(source.get, place.get)
      e.b.if(i64.ne(take, i64.const(0)), () => e.b.set(r, i64.or(r.get, extract ? place.get : lowest)))
      e.b.set(place, i64.shl(place.get, i64.const(1)))
      e.b.set(rest, i64.xor(rest.get, lowest))
      e.b.br(again)
    })
  })
  e.set(0, narrow(width, r.get))
}

/** ADCX and ADOX touch one flag only, as carry. */
const addWithFlag = (flag: number): Emit => (e) => {
  const width = e.widthOf(0)
  const b = e.get(1)
  const a = e.get(0)
  const image = e.b.let(e.arithmeticFlags())
  const log = flag === FLAG_CF ? 0 : 11
  const c = e.b.let(i32.and(i32.shr_u(image, i32.const(log)), i32.const(1)))
  const partial = e.b.let(add(a, b))
  const r = e.b.let(add(partial, widen(width, c)))
  const carry = i32.or(less(partial, a), less(r, partial))
  e.setArithmeticFlags(i32.or(i32.and(image, i32.const(~flag)), i32.shl(carry, i32.const(log))))
  e.set(0, r)
}

const less = (a: Int, b: Int): I32 => (a.type === 'i64' ? i64.lt_u(a, b as I64) : i32.lt_u(a, b as I32))

/** 11EDC6F41h, lowest power in bit 32 and highest in bit 0: bits of a byte go in lowest first. */
const CRC32C = 0x82f63b78n << 1n | 1n
const powers = (polynomial: bigint, below: number): number[] => Array.from({ length: below }, (_, n) => n).filter((n) => (polynomial >> BigInt(n) & 1n) !== 0n)

/** The polynomial's inverse modulo x^64: quotients of what is divided from bit 0 up. */
const CRC32C_INVERSE = (() => {
  let [rest, inverse] = [1n, 0n]
  for (let n = 0n; n < 64n; n++) {
    if (!(rest >> n & 1n)) continue
    inverse |= 1n << n
    rest ^= CRC32C << n
  }
  return inverse
})()

/** Adding the multiple of the polynomial that clears the low `width` bits of checksum plus data leaves the new checksum above them. */
const crc32: Emit = (e) => {
  const width = e.widthOf(1)
  const source = zero64(e.get(1))
  const value = e.b.let(i64.xor(i64.extend_i32_u(low32(e.get(0))), source))
  const sum = (terms: readonly I64[]): I64 => terms.reduce((a, b) => i64.xor(a, b))
  const product = sum(powers(CRC32C_INVERSE, width).map((n) => i64.shl(value, i64.const(n))))
  const quotient = e.b.let(width === 64 ? product : i64.and(product, i64.const((1n << BigInt(width)) - 1n)))
  const above = powers(CRC32C, 33).flatMap((n) => (n === 0 ? [] : [n >= width ? i64.shl(quotient, i64.const(n - width)) : i64.shr_u(quotient, i64.const(width - n))]))
  const kept = width === 64 ? above : [i64.shr_u(value, i64.const(width)), ...above]
  e.set(0, widen(e.widthOf(0), i32.wrap_i64(sum(kept))))
}

const BT_UNDEFINED = FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF
const SCAN_UNDEFINED = FLAGS_ARITHMETIC & ~FLAG_ZF
const bmi1 = { feature: 'bmi1' } as const
const bmi2 = { feature: 'bmi2' } as const

export const BITS: readonly Row[] = [
  row('BT', '0F A3 /r', 'Ev,Gv', bitTest(keep), { undefined: BT_UNDEFINED }),
  row('BTS', '0F AB /r', 'Ev,Gv', bitTest(set), { lock: true, undefined: BT_UNDEFINED }),
  row('BTR', '0F B3 /r', 'Ev,Gv', bitTest(reset), { lock: true, undefined: BT_UNDEFINED }),
  row('BTC', '0F BB /r', 'Ev,Gv', bitTest(complement), { lock: true, undefined: BT_UNDEFINED }),
  row('BT', '0F BA /4', 'Ev,Ib', bitTest(keep), { undefined: BT_UNDEFINED }),
  row('BTS', '0F BA /5', 'Ev,Ib', bitTest(set), { lock: true, undefined: BT_UNDEFINED }),
  row('BTR', '0F BA /6', 'Ev,Ib', bitTest(reset), { lock: true, undefined: BT_UNDEFINED }),
  row('BTC', '0F BA /7', 'Ev,Ib', bitTest(complement), { lock: true, undefined: BT_UNDEFINED }),
  row('BSF', '0F BC /r', 'Gv,Ev', scan(true), { undefined: SCAN_UNDEFINED }),
  row('BSR', '0F BD /r', 'Gv,Ev', scan(false), { undefined: SCAN_UNDEFINED }),
  row('TZCNT', 'F3 0F BC /r', 'Gv,Ev', count(true), { feature: 'bmi1', undefined: FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }),
  row('LZCNT', 'F3 0F BD /r', 'Gv,Ev', count(false), { feature: 'abm', undefined: FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }),
  row('POPCNT', 'F3 0F B8 /r', 'Gv,Ev', populationCount, { feature: 'popcnt' }),
  row('CRC32', 'F2 0F 38 F0 /r', 'Gy,Eb', crc32, { feature: 'sse4_2' }),
  row('CRC32', 'F2 0F 38 F1 /r', 'Gy,Ev', crc32, { feature: 'sse4_2' }),
  row('ADCX', '66 0F 38 F6 /r', 'Gy,Ey', addWithFlag(FLAG_CF), { feature: 'adx' }),
  row('ADOX', 'F3 0F 38 F6 /r', 'Gy,Ey', addWithFlag(FLAG_OF), { feature: 'adx' }),
  row('ANDN', 'VEX.LZ.NP.0F38 F2 /r', 'Gy,By,Ey', andNot, { ...bmi1, undefined: FLAG_AF | FLAG_PF }),
  row('BEXTR', 'VEX.LZ.NP.0F38 F7 /r', 'Gy,Ey,By', bitExtract, { ...bmi1, undefined: FLAG_SF | FLAG_AF | FLAG_PF }),
  row('BLSR', 'VEX.LZ.NP.0F38 F3 /1', 'By,Ey', lowest('reset'), { ...bmi1, undefined: FLAG_AF | FLAG_PF }),
  row('BLSMSK', 'VEX.LZ.NP.0F38 F3 /2', 'By,Ey', lowest('mask'), { ...bmi1, undefined: FLAG_AF | FLAG_PF }),
  row('BLSI', 'VEX.LZ.NP.0F38 F3 /3', 'By,Ey', lowest('isolate'), { ...bmi1, undefined: FLAG_AF | FLAG_PF }),
  row('BZHI', 'VEX.LZ.NP.0F38 F5 /r', 'Gy,Ey,By', zeroHigh, { ...bmi2, undefined: FLAG_AF | FLAG_PF }),
  row('PDEP', 'VEX.LZ.F2.0F38 F5 /r', 'Gy,By,Ey', deposit(false), bmi2),
  row('PEXT', 'VEX.LZ.F3.0F38 F5 /r', 'Gy,By,Ey', deposit(true), bmi2),
  row('SHLX', 'VEX.LZ.66.0F38 F7 /r', 'Gy,Ey,By', shiftX('shl'), bmi2),
  row('SARX', 'VEX.LZ.F3.0F38 F7 /r', 'Gy,Ey,By', shiftX('shr_s'), bmi2),
  row('SHRX', 'VEX.LZ.F2.0F38 F7 /r', 'Gy,Ey,By', shiftX('shr_u'), bmi2),
  row('RORX', 'VEX.LZ.F2.0F3A F0 /r', 'Gy,Ey,Ib', shiftX('rotr'), bmi2),
  row('MULX', 'VEX.LZ.F2.0F38 F6 /r', 'Gy,By,Ey', multiplyX, bmi2),
]

/** MULX: high half to the first destination (written last, so it wins when both are one register), no flags. */
function multiplyX(e: Emitter): void {
  const width = e.widthOf(0)
  const b = e.get(2)
  const a = e.reg(2, width)
  if (width === 64) {
    const high = multiplyHigh(e, a as I64, b as I64)
    e.set(1, i64.mul(a as I64, b as I64))
    e.set(0, high)
    return
  }
  const product = e.b.let(i64.mul(zero64(a), zero64(b)))
  e.set(1, narrow(32, product))
  e.set(0, narrow(32, i64.shr_u(product, i64.const(32))))
}

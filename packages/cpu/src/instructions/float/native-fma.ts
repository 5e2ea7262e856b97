import { i32, simd, v128 } from '@entresol/wasm-builder'
import type { Emitter, V128 } from '../../emit/emitter.ts'
import { DOUBLE, SINGLE } from './format.ts'
import type { Format } from './format.ts'
import { allTrue, ordinary } from './native.ts'
import type { Attempt } from './native.ts'

/**
 * a * b + c with one rounding out of the host's operations to nearest. WebAssembly has no fused operation that is exact everywhere.
 * Numbers are opcodes (Core Specification 2.0, 5.4.9).
 */
const add = (a: V128, b: V128): V128 => simd.binary(240, a, b)
const sub = (a: V128, b: V128): V128 => simd.binary(241, a, b)
const mul = (a: V128, b: V128): V128 => simd.binary(242, a, b)
const lessEqual = (a: V128, b: V128): V128 => simd.binary(75, a, b)
const isZero = (a: V128): V128 => simd.binary(71, a, constant(0))
const constant = (value: number): V128 => v128.const(Array.from(new Uint8Array(new Float64Array([value, value]).buffer)))
const integers = (value: bigint): V128 => v128.const(Array.from(new Uint8Array(new BigInt64Array([value, value]).buffer)))

/** Sum and its error, exact (Knuth). */
function twoSum(e: Emitter, a: V128, b: V128): [V128, V128] {
  const sum = e.b.let(add(a, b))
  const v = e.b.let(sub(sum, a))
  return [sum, e.b.let(add(sub(a, sub(sum, v)), sub(b, v)))]
}

/** a + b rounded to odd: an inexact result with an even last bit moves one step towards the error. */
function oddSum(e: Emitter, a: V128, b: V128): V128 {
  const [sum, error] = twoSum(e, a, b)
  // One step away from zero if sum and error have one sign, else towards it: +1 or -1 on the bits.
  const opposite = simd.shift(204, v128.xor(sum, error), i32.const(63))
  const step = v128.or(opposite, integers(1n))
  const even = simd.binary(214, v128.and(sum, integers(1n)), integers(0n))
  const moves = v128.andnot(even, isZero(error))
  return e.b.let(simd.binary(206, sum, v128.and(step, moves)))
}

/** Product and its error, exact while nothing over- or underflows (Dekker, Veltkamp). */
function twoProduct(e: Emitter, a: V128, b: V128): [V128, V128] {
  const split = (x: V128): [V128, V128] => {
    const scaled = e.b.let(mul(x, constant(2 ** 27 + 1)))
    const high = e.b.let(sub(scaled, sub(scaled, x)))
    return [high, e.b.let(sub(x, high))]
  }
  const product = e.b.let(mul(a, b))
  const [ah, al] = split(a)
  const [bh, bl] = split(b)
  return [product, e.b.let(add(add(add(sub(mul(ah, bh), product), mul(ah, bl)), mul(al, bh)), mul(al, bl)))]
}

/** Zero or within 2^±300, so that no step over- or underflows. */
const moderate = (a: V128): V128 => {
  const size = simd.unary(236, a)
  return v128.or(v128.and(lessEqual(constant(2 ** -300), size), lessEqual(size, constant(2 ** 300))), isZero(a))
}

/** Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008. */
function doubles(e: Emitter, a: V128, b: V128, c: V128): Attempt {
  const [uh, ul] = twoProduct(e, a, b)
  const [th, tl] = twoSum(e, c, ul)
  const [vh, vl] = twoSum(e, uh, th)
  const general = add(vh, oddSum(e, tl, vl))
  // Errors of zero are +0, which would hide the sign of a zero product and addend.
  const result = e.b.let(v128.bitselect(add(uh, c), general, isZero(uh)))
  return { result, valid: allTrue(DOUBLE, v128.and(v128.and(moderate(a), moderate(b)), moderate(c))) }
}

/** Doubles that round to singles within the normal numbers, their smallest excepted, or zero. */
const singlesFit = (d: V128): V128 => {
  const size = simd.unary(236, d)
  return v128.or(v128.and(lessEqual(constant(2 ** -126 * (1 + 2 ** -23)), size), lessEqual(size, constant(2 ** 127))), isZero(d))
}

/** The product of two singles is an exact double, and a double rounded to odd rounds to a single as the exact sum does. */
function singles(e: Emitter, a: V128, b: V128, c: V128, scalar: boolean): Attempt {
  const upper = (v: V128): V128 => v128.shuffle([8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15], v, v)
  const wide = (v: V128): V128 => simd.unary(95, v)
  const half = (x: V128, y: V128, z: V128): V128 => oddSum(e, e.b.let(mul(wide(x), wide(y))), e.b.let(wide(z)))
  const single = (d: V128): V128 => simd.unary(94, d)
  const operands = v128.and(v128.and(ordinary(SINGLE, a), ordinary(SINGLE, b)), ordinary(SINGLE, c))
  const low = half(a, b, c)
  if (scalar) return { result: e.b.let(single(low)), valid: i32.and(allTrue(SINGLE, operands), allTrue(DOUBLE, singlesFit(low))) }
  const high = half(upper(a), upper(b), upper(c))
  const result = v128.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23], e.b.let(single(low)), e.b.let(single(high)))
  return { result: e.b.let(result), valid: i32.and(allTrue(SINGLE, operands), allTrue(DOUBLE, v128.and(singlesFit(low), singlesFit(high)))) }
}

/** Operands are bound; signs already applied. Stands only if MXCSR `isFast`. */
export const attemptFma = (e: Emitter, f: Format, a: V128, b: V128, c: V128, scalar: boolean): Attempt =>
  f === DOUBLE ? doubles(e, a, b, c) : singles(e, a, b, c, scalar)

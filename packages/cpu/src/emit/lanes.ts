import { simd, v128 } from '@entresol/wasm-builder'
import type { Expr, FunctionBuilder, I32, I64, V128 } from '@entresol/wasm-builder'

/**
 * WebAssembly's lane-wise instructions by their names in the text format; the numbers are their opcodes
 * (Core Specification 2.0, 5.4.9). Operands used more than once by a caller must be bound first.
 */
type Unary = (a: V128) => V128
type Binary = (a: V128, b: V128) => V128
type Shift = (a: V128, count: I32) => V128
type Test = (a: V128) => I32

const unary = (op: number): Unary => (a) => simd.unary(op, a)
const binary = (op: number): Binary => (a, b) => simd.binary(op, a, b)
const shift = (op: number): Shift => (a, count) => simd.shift(op, a, count)
const test = (op: number): Test => (a) => simd.test(op, a)
const splat32 = (op: number) => (a: I32): V128 => simd.splat(op, a)
const extract32 = (op: number) => (a: V128, lane: number): I32 => simd.extract('i32', op, a, lane)

interface Integer {
  readonly eq: Binary; readonly gt_s: Binary
  readonly abs: Unary; readonly neg: Unary; readonly bitmask: Test
  readonly shl: Shift; readonly shr_s: Shift; readonly shr_u: Shift
  readonly add: Binary; readonly sub: Binary
}
interface Saturating {
  readonly add_sat_s: Binary; readonly add_sat_u: Binary; readonly sub_sat_s: Binary; readonly sub_sat_u: Binary; readonly avgr_u: Binary
}
interface Ordered { readonly min_s: Binary; readonly min_u: Binary; readonly max_s: Binary; readonly max_u: Binary }
interface Extending {
  readonly extend_low_s: Unary; readonly extend_high_s: Unary; readonly extend_low_u: Unary; readonly extend_high_u: Unary
  readonly extmul_low_s: Binary; readonly extmul_high_s: Binary; readonly extmul_low_u: Binary; readonly extmul_high_u: Binary
}

export const i8x16: Integer & Saturating & Ordered & {
  swizzle: Binary; splat(a: I32): V128; extract_lane_u(a: V128, lane: number): I32; narrow_s: Binary; narrow_u: Binary
} = {
  swizzle: binary(14), splat: splat32(15), extract_lane_u: extract32(22),
  eq: binary(35), gt_s: binary(39),
  abs: unary(96), neg: unary(97), bitmask: test(100), narrow_s: binary(101), narrow_u: binary(102),
  shl: shift(107), shr_s: shift(108), shr_u: shift(109),
  add: binary(110), add_sat_s: binary(111), add_sat_u: binary(112), sub: binary(113), sub_sat_s: binary(114), sub_sat_u: binary(115),
  min_s: binary(118), min_u: binary(119), max_s: binary(120), max_u: binary(121), avgr_u: binary(123),
}

/** `extend*` and `extmul*` take bytes, `extadd_pairwise_u` adds neighbouring bytes. */
export const i16x8: Integer & Saturating & Ordered & Extending & {
  splat(a: I32): V128; extract_lane_u(a: V128, lane: number): I32
  extadd_pairwise_u: Unary; q15mulr_sat_s: Binary; narrow_s: Binary; narrow_u: Binary; mul: Binary
} = {
  splat: splat32(16), extract_lane_u: extract32(25),
  eq: binary(45), gt_s: binary(49),
  extadd_pairwise_u: unary(125), abs: unary(128), neg: unary(129), q15mulr_sat_s: binary(130), bitmask: test(132),
  narrow_s: binary(133), narrow_u: binary(134),
  extend_low_s: unary(135), extend_high_s: unary(136), extend_low_u: unary(137), extend_high_u: unary(138),
  shl: shift(139), shr_s: shift(140), shr_u: shift(141),
  add: binary(142), add_sat_s: binary(143), add_sat_u: binary(144), sub: binary(145), sub_sat_s: binary(146), sub_sat_u: binary(147),
  mul: binary(149), min_s: binary(150), min_u: binary(151), max_s: binary(152), max_u: binary(153), avgr_u: binary(155),
  extmul_low_s: binary(156), extmul_high_s: binary(157), extmul_low_u: binary(158), extmul_high_u: binary(159),
}

/** `extend*` and `extmul*` take words, `extadd_pairwise_u` adds neighbouring words, `dot_s` multiplies words and adds neighbours. */
export const i32x4: Integer & Ordered & Extending & {
  splat(a: I32): V128; extract_lane(a: V128, lane: number): I32; replace_lane(a: V128, lane: number, value: I32): V128
  extadd_pairwise_u: Unary; mul: Binary; dot_s: Binary
} = {
  splat: splat32(17), extract_lane: extract32(27), replace_lane: (a, lane, value) => simd.replace(28, a, lane, value),
  eq: binary(55), gt_s: binary(59),
  extadd_pairwise_u: unary(127), abs: unary(160), neg: unary(161), bitmask: test(164),
  extend_low_s: unary(167), extend_high_s: unary(168), extend_low_u: unary(169), extend_high_u: unary(170),
  shl: shift(171), shr_s: shift(172), shr_u: shift(173), add: binary(174), sub: binary(177), mul: binary(181),
  min_s: binary(182), min_u: binary(183), max_s: binary(184), max_u: binary(185), dot_s: binary(186),
  extmul_low_s: binary(188), extmul_high_s: binary(189), extmul_low_u: binary(190), extmul_high_u: binary(191),
}

/** `extend*` and `extmul*` take doublewords. */
export const i64x2: Integer & Extending & {
  splat(a: I64): V128; extract_lane(a: V128, lane: number): I64; replace_lane(a: V128, lane: number, value: I64): V128
} = {
  splat: (a) => simd.splat(18, a), extract_lane: (a, lane) => simd.extract('i64', 29, a, lane),
  replace_lane: (a, lane, value) => simd.replace(30, a, lane, value),
  abs: unary(192), neg: unary(193), bitmask: test(196),
  extend_low_s: unary(199), extend_high_s: unary(200), extend_low_u: unary(201), extend_high_u: unary(202),
  shl: shift(203), shr_s: shift(204), shr_u: shift(205), add: binary(206), sub: binary(209), eq: binary(214), gt_s: binary(217),
  extmul_low_s: binary(220), extmul_high_s: binary(221), extmul_low_u: binary(222), extmul_high_u: binary(223),
}

const bytesOf = (count: number, size: number, value: (lane: number) => number): number[] => {
  const bytes: number[] = []
  for (let lane = 0; lane < count; lane++) for (let i = 0; i < size; i++) bytes.push(Math.floor(value(lane) / 256 ** i) & 0xff)
  return bytes
}

/** Constants by lanes; a single number fills every lane. Lane values are unsigned. */
export const bytes = (...lanes: number[]): V128 => v128.const(bytesOf(16, 1, (i) => lanes[i % lanes.length]!))
export const words = (...lanes: number[]): V128 => v128.const(bytesOf(8, 2, (i) => lanes[i % lanes.length]!))
export const dwords = (...lanes: number[]): V128 => v128.const(bytesOf(4, 4, (i) => lanes[i % lanes.length]!))
export const ZERO: V128 = bytes(0)
/** Byte i holds i. */
export const IOTA: V128 = bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

const shuffled = (size: number, lanes: readonly number[]): number[] =>
  lanes.flatMap((lane) => Array.from({ length: size }, (_, i) => lane * size + i))
/** Constant shuffles by lane; numbers from the lane count up choose from `b`. */
export const shuffleWords = (lanes: readonly number[], a: V128, b: V128 = a): V128 => v128.shuffle(shuffled(2, lanes), a, b)
export const shuffleDwords = (lanes: readonly number[], a: V128, b: V128 = a): V128 => v128.shuffle(shuffled(4, lanes), a, b)
export const shuffleQwords = (lanes: readonly number[], a: V128, b: V128 = a): V128 => v128.shuffle(shuffled(8, lanes), a, b)

/** Low quadword `value`, high quadword zero. */
export const lowQword = (value: I64): V128 => i64x2.replace_lane(ZERO, 0, value)
export const lowDword = (value: I32): V128 => i32x4.replace_lane(ZERO, 0, value)
/** Two quadwords. */
export const qwords = (low: I64, high: I64): V128 => i64x2.replace_lane(i64x2.splat(low), 1, high)

export type { Expr, FunctionBuilder, I32, I64, V128 }

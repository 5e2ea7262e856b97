import { i32, i64, simd, v128 } from '@entresol/wasm-builder'
import type { Local } from '@entresol/wasm-builder'
import type { Emitter, Expr, I32, Int, V128 } from '../../emit/emitter.ts'
import * as L from '../../state/layout.ts'

/** Single or double precision: elements are bit patterns, i32 or i64. */
export interface Format {
  readonly name: 'f32' | 'f64'
  readonly type: 'i32' | 'i64'
  /** Elements in 128 bits. */
  readonly lanes: 4 | 2
  /** Suffixes of mnemonics, and mandatory prefixes. */
  readonly packed: 'PS' | 'PD'
  readonly scalar: 'SS' | 'SD'
  readonly packedPrefix: 'NP' | '66'
  readonly scalarPrefix: 'F3' | 'F2'
  /** Size letters of a scalar operand. */
  readonly size: 'ss' | 'sd'
  lane(v: V128, index: number): Int
  withLane(v: V128, index: number, value: Int): V128
  /** Element 0 of a vector operand: 4 or 8 bytes of memory. */
  read(e: Emitter, operand: number): Int
  write(e: Emitter, operand: number, value: Int, upper?: V128): void
}

export const SINGLE: Format = {
  name: 'f32', type: 'i32', lanes: 4, packed: 'PS', scalar: 'SS', packedPrefix: 'NP', scalarPrefix: 'F3', size: 'ss',
  lane: (v, index) => simd.extract('i32', 27, v, index),
  withLane: (v, index, value) => simd.replace(28, v, index, value),
  read: (e, operand) => e.getV32(operand),
  write: (e, operand, value, upper) => e.setV32(operand, value as I32, upper),
}

export const DOUBLE: Format = {
  name: 'f64', type: 'i64', lanes: 2, packed: 'PD', scalar: 'SD', packedPrefix: '66', scalarPrefix: 'F2', size: 'sd',
  lane: (v, index) => simd.extract('i64', 29, v, index),
  withLane: (v, index, value) => simd.replace(30, v, index, value),
  read: (e, operand) => e.getV64(operand),
  write: (e, operand, value, upper) => e.setV64(operand, value.type === 'i64' ? value : i64.extend_i32_u(value), upper),
}

export const FORMATS: readonly Format[] = [SINGLE, DOUBLE]

export const ZERO_VECTOR: V128 = v128.const(new Array<number>(16).fill(0))

/** Calls the softfloat function of this format. */
export const call = (e: Emitter, f: Format, name: string, ...args: Int[]): Int => e.helper(`${f.name}_${name}`, f.type, ...args)

/** A packed operand: one vector, or two for 256 bits. */
export const readVectors = (e: Emitter, operand: number): V128[] =>
  e.vectorLength === 256 ? [e.getHalf(operand, 0), e.getHalf(operand, 1)] : [e.getV(operand)]

export function writeVectors(e: Emitter, operand: number, values: readonly V128[]): void {
  if (e.vectorLength === 256) e.setHalves(operand, values[0]!, values[1]!)
  else e.setV(operand, values[0]!)
}

/** All elements of vectors, lowest first. */
export const lanesOf = (e: Emitter, f: Format, vectors: readonly V128[]): Int[] =>
  vectors.flatMap((v) => Array.from({ length: f.lanes }, (_, i) => e.b.let(f.lane(v, i))))

/** Elements put together again; what is missing to a whole vector is zero. */
export function vectorsOf(f: Format, elements: readonly Int[]): V128[] {
  const vectors: V128[] = []
  for (let first = 0; first < elements.length; first += f.lanes) {
    vectors.push(elements.slice(first, first + f.lanes).reduce((v, value, i) => f.withLane(v, i, value), ZERO_VECTOR))
  }
  return vectors
}

export const requireSimd = (e: Emitter): void => e.requireUnit(e.vex ? 'avx' : 'sse')

/** Position of the last source operand and of the first: VEX forms with a separate destination have one operand more. */
export const sources = (e: Emitter): { first: number; last: number } => (e.vex ? { first: 1, last: 2 } : { first: 0, last: 1 })

const CR4_OSXMMEXCPT = 1 << 10
const UD = 6
const XM = 19
/** IE, DE and ZE, found before anything is computed (SDM vol. 1, 11.5.1). */
const PRE_COMPUTATION = 7

/**
 * One SIMD floating-point instruction: `compute` raises exceptions of all elements into softfloat's flags; they become sticky in MXCSR,
 * and one that is not masked faults before anything else is written (SDM vol. 1, 11.5).
 */
export function withExceptions<T>(e: Emitter, compute: (mxcsr: I32) => T): T {
  e.setHelperGlobal('flags', i32.const(0))
  const mxcsr = e.b.let(e.field32(L.MXCSR))
  const result = compute(mxcsr)
  e.b.if(e.helperGlobal('flags', 'i32'), () => raiseExceptions(e, mxcsr))
  return result
}

/** `fast` sets the results if `valid` holds; otherwise `slow` gives them. */
export function either<T extends 'i32' | 'i64' | 'v128'>(
  e: Emitter, condition: I32 | undefined, fast: () => { valid: I32; results: readonly Expr<T>[] }, slow: () => readonly Expr<T>[],
): Expr<T>[] {
  const { b } = e
  const locals: Local<T>[] = []
  const assign = (values: readonly Expr<T>[]): void => values.forEach((value, i) => b.set((locals[i] ??= b.local(value.type)), value))
  b.block((end) => {
    const attempt = (): void => {
      const { valid, results } = fast()
      b.if(valid, () => {
        assign(results)
        b.br(end)
      })
    }
    if (condition) b.if(condition, attempt)
    else attempt()
    assign(slow())
  })
  return locals.map((local) => local.get)
}

function raiseExceptions(e: Emitter, mxcsr: I32): void {
  const unmasked = i32.xor(i32.shr_u(mxcsr, i32.const(7)), i32.const(-1))
  const raised = e.b.variable(e.helperGlobal('flags', 'i32'))
  // With an unmasked IE, DE or ZE in any element no element gets as far as OE, UE and PE.
  e.b.if(i32.and(i32.and(raised.get, unmasked), i32.const(PRE_COMPUTATION)), () => e.b.set(raised, i32.and(raised.get, i32.const(PRE_COMPUTATION))))
  e.setField32(L.MXCSR, i32.or(mxcsr, raised.get))
  e.b.if(i32.and(raised.get, unmasked), () => {
    e.raiseIf(i32.eqz(i32.and(e.field32(L.CR4), i32.const(CR4_OSXMMEXCPT))), UD)
    e.raise(XM)
  })
}

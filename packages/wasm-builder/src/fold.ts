import { constant, constantOf, Expr, integerConstant, isConstant } from './expr.ts'
import type { I32 } from './expr.ts'

type IntegerType = 'i32' | 'i64'

/** Opcodes relative to `clz` (Core Specification 5.4.8, numeric instructions). */
const ADD = 3
const SUB = 4
const MUL = 5
const AND = 10
const OR = 11
const XOR = 12
const SHL = 13
const SHR_S = 14
const SHR_U = 15
const ROTL = 16
const ROTR = 17
const associates = (n: number): boolean => n === ADD || n === MUL || n === AND || n === OR || n === XOR

/** Integer operation `n` after `clz`, whose opcode is `base`: constants are computed, gathered on the right and dropped where neutral. */
export function arithmetic<T extends IntegerType>(type: T, base: number, n: number): (a: Expr<T>, b: Expr<T>) => Expr<T> {
  const op = base + n
  const commutes = associates(n)
  return (a, b) => {
    if (isConstant(a)) {
      if (isConstant(b)) return compute(n, a, b) ?? new Expr(type, op, a, b)
      if (commutes) [a, b] = [b, a]
    }
    return isConstant(b) ? withConstant(type, base, n, a, b) : new Expr(type, op, a, b)
  }
}

function withConstant<T extends IntegerType>(type: T, base: number, n: number, a: Expr<T>, b: Expr<T>): Expr<T> {
  if (isNeutral(n, b)) return a
  if (n === SUB && !isConstant(a)) return withConstant(type, base, ADD, a, compute(SUB, constant(type, 0, 0), b)!)
  if (associates(n) && a.op === base + n && isConstant(a.b!)) return withConstant(type, base, n, a.a as Expr<T>, compute(n, a.b as Expr<T>, b)!)
  return new Expr(type, base + n, a, b)
}

function isNeutral(n: number, { type, low, high }: Expr): boolean {
  switch (n) {
    case ADD: case SUB: case OR: case XOR: return low === 0 && high === 0
    case AND: return low === -1 && high === -1
    case MUL: return low === 1 && high === 0
    case SHL: case SHR_S: case SHR_U: case ROTL: case ROTR: return (low & (type === 'i64' ? 63 : 31)) === 0
    default: return false
  }
}

/** Operation `n` on two constants; undefined for division and rotation. */
function compute<T extends IntegerType>(n: number, a: Expr<T>, b: Expr<T>): Expr<T> | undefined {
  const type = a.type
  switch (n) {
    case ADD: {
      const low = (a.low + b.low) | 0
      return constant(type, low, (a.high + b.high + (low >>> 0 < a.low >>> 0 ? 1 : 0)) | 0)
    }
    case SUB: return constant(type, (a.low - b.low) | 0, (a.high - b.high - (a.low >>> 0 < b.low >>> 0 ? 1 : 0)) | 0)
    case AND: return constant(type, a.low & b.low, a.high & b.high)
    case OR: return constant(type, a.low | b.low, a.high | b.high)
    case XOR: return constant(type, a.low ^ b.low, a.high ^ b.high)
    default: return type === 'i64' ? compute64(n, a, b) as Expr<T> | undefined : compute32(n, a, b) as Expr<T> | undefined
  }
}

function compute32(n: number, a: Expr, b: Expr): I32 | undefined {
  switch (n) {
    case MUL: return constant('i32', Math.imul(a.low, b.low), 0)
    case SHL: return constant('i32', a.low << b.low, 0)
    case SHR_S: return constant('i32', a.low >> b.low, 0)
    case SHR_U: return constant('i32', (a.low >>> b.low) | 0, 0)
    default: return undefined
  }
}

function compute64(n: number, a: Expr, b: Expr): Expr<'i64'> | undefined {
  const value = constantOf(a) as bigint
  const count = BigInt(b.low & 63)
  switch (n) {
    case MUL: return integerConstant('i64', value * (constantOf(b) as bigint))
    case SHL: return integerConstant('i64', value << count)
    case SHR_S: return integerConstant('i64', value >> count)
    case SHR_U: return integerConstant('i64', BigInt.asUintN(64, value) >> count)
    default: return undefined
  }
}

const truth = (value: boolean): I32 => constant('i32', value ? 1 : 0, 0)

export const isZero = (value: Expr): boolean => value.low === 0 && value.high === 0

/** `eqz` with opcode `op`. */
export const equalsZero = <T extends IntegerType>(op: number) =>
  (a: Expr<T>): I32 => isConstant(a) ? truth(isZero(a)) : new Expr('i32', op, a)

/** Relation `n` after `eqz`, whose opcode is `base`: eq, ne, then lt, gt, le, ge, each signed and unsigned. */
export function comparison<T extends IntegerType>(base: number, n: number): (a: Expr<T>, b: Expr<T>) => I32 {
  return (a, b) => isConstant(a) && isConstant(b) ? truth(relation(n, a, b)) : new Expr('i32', base + n, a, b)
}

function relation(n: number, a: Expr, b: Expr): boolean {
  // Of i32 the high half repeats the sign, which keeps both orders.
  const unsigned = n > 2 && (n & 1) === 0
  const high = unsigned ? (a.high >>> 0) - (b.high >>> 0) : a.high - b.high
  const order = high || (a.low >>> 0) - (b.low >>> 0)
  switch (n) {
    case 1: return order === 0
    case 2: return order !== 0
    case 3: case 4: return order < 0
    case 5: case 6: return order > 0
    case 7: case 8: return order <= 0
    default: return order >= 0
  }
}

/** `extend8_s` and its kin: the low `bits` (at most 32) sign-extended. */
export const signExtension = <T extends IntegerType>(type: T, op: number, bits: number) => (a: Expr<T>): Expr<T> => {
  if (!isConstant(a)) return new Expr(type, op, a)
  const low = (a.low << (32 - bits)) >> (32 - bits)
  return constant(type, low, low >> 31)
}

const EXTEND_I32_S = 0xac
const EXTEND_I32_U = 0xad

/** `i64.extend_i32_s` and `i64.extend_i32_u`. */
export const extension = (signed: boolean) => (a: I32): Expr<'i64'> =>
  isConstant(a) ? constant('i64', a.low, signed ? a.high : 0) : new Expr('i64', signed ? EXTEND_I32_S : EXTEND_I32_U, a)

/** `i32.wrap_i64`, which undoes an extension. */
export function wrap(a: Expr<'i64'>): I32 {
  if (isConstant(a)) return constant('i32', a.low, 0)
  return a.op === EXTEND_I32_S || a.op === EXTEND_I32_U ? a.a as I32 : new Expr('i32', 0xa7, a)
}

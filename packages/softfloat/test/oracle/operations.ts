// What one case is, which export answers it and how its answer is compared with the CPU's. Numbers are those of oracle.c.
import type { SoftfloatExports } from '../../src/index.ts'

export interface Case {
  op: number
  imm: number
  ctl: number
  /** Operands as low and high 64 bits; f80: significand, sign and exponent. */
  a: [bigint, bigint]
  b: [bigint, bigint]
  c: [bigint, bigint]
}
export interface Answer {
  r: [bigint, bigint]
  s: [bigint, bigint]
  flags: number
  condition: number
}
export type Kind = 'f32' | 'f64' | 'f80' | 'f16' | 'i32' | 'i64' | 'bcd' | 'none'

export interface Operation {
  op: number
  name: string
  unit: 'sse' | 'x87'
  operands: [Kind, Kind, Kind]
  /** Immediates are 0..imms-1. */
  imms: number
  result: Kind
  /** A second f80 result. */
  second?: boolean
  /** Condition bits that count. */
  condition: number
  transcendental?: boolean
  run(x: SoftfloatExports, q: Case): bigint | number | undefined
}

const C1 = 0x200
const C2 = 0x400
const N: Kind = 'none'
const i32 = (v: bigint): number => Number(BigInt.asIntN(32, v))
const e80 = (v: bigint): number => Number(v & 0xffffn)

function sse(op: number, name: string, operands: [Kind, Kind, Kind], result: Kind, run: Operation['run'], imms = 1): Operation {
  return { op, name, unit: 'sse', operands, imms, result, condition: 0, run }
}
function x87(op: number, name: string, operands: [Kind, Kind, Kind], result: Kind, condition: number, run: Operation['run'], more = {}): Operation {
  return { op, name, unit: 'x87', operands, imms: 1, result, condition, run, ...more }
}
type Binary80 = (am: bigint, ae: number, bm: bigint, be: number, cw: number) => unknown
type Unary80 = (am: bigint, ae: number, cw: number) => unknown

const arithmetic = ['add', 'sub', 'mul', 'div', 'sqrt', 'min', 'max'] as const

function both(base: number, f: 'f64' | 'f32'): Operation[] {
  const wide = f === 'f64'
  type B = (a: bigint, b: bigint, m: number) => bigint
  // the two formats differ in the host type of a bit pattern only
  const v = (q: bigint): never => (wide ? q : i32(q)) as never
  const fn = (x: SoftfloatExports, name: string): ((...p: never[]) => bigint | number) => (x as never)[`${f}_${name}`]
  const list = arithmetic.map((name, k) => sse(base + k, `${f}_${name}`, name === 'sqrt' ? [f, N, N] : [f, f, N], f, (x, q) =>
    name === 'sqrt' ? fn(x, name)(v(q.a[0]), q.ctl as never) : (fn(x, name) as unknown as B)(v(q.a[0]), v(q.b[0]), q.ctl)))
  // vfmadd213 x, y, z is y * x + z; 231: y * z + x; 132: x * z + y
  list.push(sse(base + 7, `${f}_fma 213`, [f, f, f], f, (x, q) =>
    fn(x, 'fma')(v(q.b[0]), v(q.a[0]), v(q.c[0]), q.imm as never, q.ctl as never), 4))
  list.push(sse(base + 8, `${f}_fma 231`, [f, f, f], f, (x, q) =>
    fn(x, 'fma')(v(q.b[0]), v(q.c[0]), v(q.a[0]), q.imm as never, q.ctl as never), 4))
  list.push(sse(base + 9, `${f}_fma 132`, [f, f, f], f, (x, q) =>
    fn(x, 'fma')(v(q.a[0]), v(q.c[0]), v(q.b[0]), q.imm as never, q.ctl as never), 4))
  for (const signal of [0, 1]) {
    list.push(sse(base + 10 + signal, `${f}_compare ${signal}`, [f, f, N], 'i32', (x, q) =>
      fn(x, 'compare')(v(q.a[0]), v(q.b[0]), signal as never, q.ctl as never)))
  }
  list.push(sse(base + 12, `${f}_predicate`, [f, f, N], f, (x, q) =>
    -fn(x, 'predicate')(v(q.a[0]), v(q.b[0]), q.imm as never, q.ctl as never), 32))
  list.push(sse(base + 13, `${f}_round`, [f, N, N], f, (x, q) => fn(x, 'round')(v(q.a[0]), q.imm as never, q.ctl as never), 16))
  const to = ['toI32', 'truncateToI32', 'toI64', 'truncateToI64']
  to.forEach((name, k) => list.push(sse(base + 14 + k, `${f}_${name}`, [f, N, N], k < 2 ? 'i32' : 'i64', (x, q) =>
    fn(x, name)(v(q.a[0]), q.ctl as never))))
  list.push(sse(base + 18, `${f}_fromI32`, ['i32', N, N], f, (x, q) => fn(x, 'fromI32')(i32(q.a[0]) as never, q.ctl as never)))
  list.push(sse(base + 19, `${f}_fromI64`, ['i64', N, N], f, (x, q) => fn(x, 'fromI64')(q.a[0] as never, q.ctl as never)))
  return list
}

const binary80 = (name: string): Operation['run'] => (x, q) => {
  ;((x as never)[name] as Binary80)(q.a[0], e80(q.a[1]), q.b[0], e80(q.b[1]), q.ctl)
  return undefined
}
const unary80 = (name: string): Operation['run'] => (x, q) => {
  ;((x as never)[name] as Unary80)(q.a[0], e80(q.a[1]), q.ctl)
  return undefined
}
const value80 = (name: string): Operation['run'] => (x, q) => ((x as never)[name] as Unary80)(q.a[0], e80(q.a[1]), q.ctl) as number
const memory80 = (name: string, wide: boolean): Operation['run'] => (x, q) => {
  if (wide) x.f80_widenF64(q.b[0])
  else x.f80_widenF32(i32(q.b[0]))
  const r = ((x as never)[name] as (...p: unknown[]) => number)(
    q.a[0], e80(q.a[1]), x.sigResult.value, x.expResult.value, ...(name === 'f80_compare' ? [0] : []), q.ctl | x.widenedDenormal.value)
  return name === 'f80_compare' ? r : undefined
}

export const operations: Operation[] = [
  ...both(0, 'f64'),
  ...both(40, 'f32'),
  sse(80, 'f64_fromF32', ['f32', N, N], 'f64', (x, q) => x.f64_fromF32(i32(q.a[0]), q.ctl)),
  sse(81, 'f32_fromF64', ['f64', N, N], 'f32', (x, q) => x.f32_fromF64(q.a[0], q.ctl)),
  sse(82, 'f32_fromF16', ['f16', N, N], 'f32', (x, q) => x.f32_fromF16(i32(q.a[0]))),
  sse(83, 'f32_toF16', ['f32', N, N], 'f16', (x, q) => x.f32_toF16(i32(q.a[0]), q.imm, q.ctl), 8),
  ...['add', 'sub', 'mul', 'div'].map((n, k) => x87(100 + k, `f80_${n}`, ['f80', 'f80', N], 'f80', C1, binary80(`f80_${n}`))),
  x87(104, 'f80_sqrt', ['f80', N, N], 'f80', C1, unary80('f80_sqrt')),
  x87(105, 'f80_rem', ['f80', 'f80', N], 'f80', 0x4700, binary80('f80_rem')),
  x87(106, 'f80_rem1', ['f80', 'f80', N], 'f80', 0x4700, binary80('f80_rem1')),
  x87(107, 'f80_compare', ['f80', 'f80', N], N, 0x4700, (x, q) => x.f80_compare(q.a[0], e80(q.a[1]), q.b[0], e80(q.b[1]), 0, q.ctl)),
  x87(108, 'f80_compare quiet', ['f80', 'f80', N], N, 0x4700, (x, q) => x.f80_compare(q.a[0], e80(q.a[1]), q.b[0], e80(q.b[1]), 1, q.ctl)),
  x87(109, 'f80_roundToIntegral', ['f80', N, N], 'f80', C1, unary80('f80_roundToIntegral')),
  x87(110, 'f80_scale', ['f80', 'f80', N], 'f80', C1, binary80('f80_scale')),
  x87(111, 'f80_extract', ['f80', N, N], 'f80', C1, unary80('f80_extract'), { second: true }),
  x87(112, 'f80_examine', ['f80', N, N], N, 0x4700, (x, q) => x.f80_examine(q.a[0], e80(q.a[1]))),
  x87(113, 'f80_fromF32', ['f32', N, N], 'f80', C1, (x, q) => x.f80_fromF32(i32(q.a[0])) as undefined),
  x87(114, 'f80_fromF64', ['f64', N, N], 'f80', C1, (x, q) => x.f80_fromF64(q.a[0]) as undefined),
  x87(115, 'f80_toF32', ['f80', N, N], 'f32', C1, value80('f80_toF32')),
  x87(116, 'f80_toF64', ['f80', N, N], 'f64', C1, value80('f80_toF64')),
  x87(117, 'f80_toI16', ['f80', N, N], 'f16', C1, value80('f80_toI16')),
  x87(118, 'f80_toI32', ['f80', N, N], 'i32', C1, value80('f80_toI32')),
  x87(119, 'f80_toI64', ['f80', N, N], 'i64', C1, value80('f80_toI64')),
  x87(120, 'f80_fromI64', ['i64', N, N], 'f80', C1, (x, q) => x.f80_fromI64(q.a[0]) as undefined),
  x87(121, 'f80_fromBcd', ['bcd', N, N], 'f80', C1, (x, q) => x.f80_fromBcd(q.a[0], e80(q.a[1])) as undefined),
  x87(122, 'f80_toBcd', ['f80', N, N], 'f80', C1, unary80('f80_toBcd')),
  x87(123, 'f80_add m32', ['f80', 'f32', N], 'f80', C1, memory80('f80_add', false)),
  x87(124, 'f80_add m64', ['f80', 'f64', N], 'f80', C1, memory80('f80_add', true)),
  x87(125, 'f80_div m32', ['f80', 'f32', N], 'f80', C1, memory80('f80_div', false)),
  x87(126, 'f80_mul m64', ['f80', 'f64', N], 'f80', C1, memory80('f80_mul', true)),
  x87(127, 'f80_compare m32', ['f80', 'f32', N], N, 0x4700, memory80('f80_compare', false)),
  ...['f2xm1', 'yl2x', 'yl2xp1', 'tan', 'atan', 'sin', 'cos', 'sincos'].map((n, k) => x87(130 + k, `f80_${n}`,
    k === 1 || k === 2 || k === 4 ? ['f80', 'f80', N] : ['f80', N, N], 'f80', 0x600,
    k === 1 || k === 2 || k === 4 ? binary80(`f80_${n}`) : unary80(`f80_${n}`), { transcendental: true, second: k === 7 || k === 3 })),
]

const width: Record<Kind, bigint> = { f32: 32n, f64: 64n, f80: 80n, f16: 16n, i32: 32n, i64: 64n, bcd: 80n, none: 0n }

export function answer(x: SoftfloatExports, operation: Operation, q: Case): Answer {
  x.flags.value = 0
  const v = operation.run(x, q)
  const flags = x.flags.value
  const condition = x.condition.value & operation.condition
  let r: [bigint, bigint] = [0n, 0n]
  let s: [bigint, bigint] = [0n, 0n]
  if (operation.result === 'f80') {
    r = [BigInt.asUintN(64, x.sigResult.value), BigInt(x.expResult.value & 0xffff)]
    if (operation.second) s = [BigInt.asUintN(64, x.sigResult2.value), BigInt(x.expResult2.value & 0xffff)]
  } else if (operation.result !== 'none') r = [BigInt.asUintN(Number(width[operation.result]), BigInt(v!)), 0n]
  return { r, s, flags, condition }
}

/** The CPU's answer, cut down to what counts. */
export function expected(operation: Operation, o: Answer): Answer {
  const w = width[operation.result]
  const r: [bigint, bigint] = w === 0n ? [0n, 0n] : w === 80n ? [o.r[0], o.r[1] & 0xffffn] : [o.r[0] & ((1n << w) - 1n), 0n]
  const s: [bigint, bigint] = operation.second ? [o.s[0], o.s[1] & 0xffffn] : [0n, 0n]
  return { r, s, flags: o.flags, condition: o.condition & operation.condition }
}

/** Whether the instruction ended without writing a result: an unmasked exception that comes before it. */
export function withoutResult(operation: Operation, q: Case, flags: number): boolean {
  const masks = operation.unit === 'sse' ? q.ctl >> 7 : q.ctl
  const unmasked = flags & ~masks & 0x3f
  if (operation.unit === 'sse') return unmasked !== 0
  const stores = operation.op >= 115 && operation.op <= 119 || operation.op === 122
  return (unmasked & (stores ? 0x1f : 7)) !== 0
}

/** How many representable numbers lie between two f80 results; of different kinds Infinity. */
export function distance(a: [bigint, bigint], b: [bigint, bigint]): number {
  const line = ([m, e]: [bigint, bigint]): bigint => {
    const v = ((e & 0x7fffn) << 63n) + (m & 0x7fffffffffffffffn) + (m >> 63n && !(e & 0x7fffn) ? 1n << 63n : 0n)
    return e & 0x8000n ? -v : v
  }
  const special = (e: bigint): boolean => (e & 0x7fffn) === 0x7fffn
  if (special(a[1]) || special(b[1])) return a[0] === b[0] && a[1] === b[1] ? 0 : Infinity
  const d = line(a) - line(b)
  return Number(d < 0n ? -d : d)
}

export function agrees(operation: Operation, q: Case, mine: Answer, cpu: Answer): boolean {
  if (mine.flags !== cpu.flags) return false
  if (withoutResult(operation, q, cpu.flags)) return true
  if (operation.transcendental) {
    // the CPU's microcode is within one unit in the last place; so its C1 is not ours where the results differ
    return distance(mine.r, cpu.r) <= 1 && distance(mine.s, cpu.s) <= 1 && (mine.condition & C2) === (cpu.condition & C2)
  }
  return mine.r[0] === cpu.r[0] && mine.r[1] === cpu.r[1] && mine.s[0] === cpu.s[0] && mine.s[1] === cpu.s[1] && mine.condition === cpu.condition
}

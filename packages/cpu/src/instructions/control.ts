import { i32, i64 } from '@entresol/wasm-builder'
import { zero64 } from '../emit/arithmetic.ts'
import type { ConditionCode, Emitter, I32, I64 } from '../emit/emitter.ts'
import * as L from '../state/layout.ts'
import { host, row } from './row.ts'
import type { Emit, Row } from './row.ts'

/** Near control transfers and the flag instructions that need no privilege (SDM vol. 2). */
const jumpRelative: Emit = (e) => {
  const target = e.b.let(e.branchTarget())
  e.requireTarget(target)
  e.jump(target)
}

const jumpIndirect: Emit = (e) => {
  const target = e.b.let(zero64(e.get(0)))
  e.requireTarget(target)
  e.jump(target)
}

const callRelative: Emit = (e) => {
  const target = e.b.let(e.branchTarget())
  pushReturn(e, target)
  e.jump(target)
}

const callIndirect: Emit = (e) => {
  const target = e.b.let(zero64(e.get(0)))
  pushReturn(e, target)
  e.jump(target)
}

/** The stack's faults come before the target's. */
const pushReturn = (e: Emitter, target: I64): void => {
  const next = e.nextRip()
  e.push(e.width, e.width === 64 ? next : i32.wrap_i64(next), () => e.requireTarget(target))
}

const returnNear = (extra: boolean): Emit => (e) => {
  const target = e.b.let(zero64(e.peek(e.width)))
  e.requireTarget(target)
  const own = i64.const(e.width / 8)
  e.dropStack(extra ? i64.add(own, i64.extend_i32_u(e.get(0) as I32)) : own)
  e.jump(target)
}

const jumpIf = (code: ConditionCode): Emit => (e) => e.branchIf(e.condition(code))

const isZeroCount = (e: Emitter): I32 => i64.eqz(e.strings.pointer(1))

/** LOOP, LOOPE, LOOPNE count in rCX of the address size, without flags. */
const loop = (condition?: ConditionCode): Emit => (e) => {
  // A refused target leaves rCX alone; only 16- and 32-bit code can be refused.
  e.strings.advance(1, i64.const(-1))
  const more = i32.eqz(isZeroCount(e))
  e.branchIf(condition === undefined ? more : i32.and(more, e.condition(condition)))
}

const setDirection = (on: boolean): Emit => (e) => {
  const flags = e.field32(L.EFLAGS)
  e.setField32(L.EFLAGS, on ? i32.or(flags, i32.const(L.FLAG_DF)) : i32.and(flags, i32.const(~L.FLAG_DF)))
}

const CONDITIONS = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'] as const
const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0')

export const CONTROL: readonly Row[] = [
  ...CONDITIONS.flatMap((name, code) => [
    row(`J${name}`, `${hex(0x70 + code)} f64`, 'Jb', jumpIf(code as ConditionCode), { hot: true }),
    row(`J${name}`, `0F ${hex(0x80 + code)} f64`, 'Jz', jumpIf(code as ConditionCode), { hot: true }),
  ]),
  row('JMP', 'EB f64', 'Jb', jumpRelative, { hot: true, ends: true }),
  row('JMP', 'E9 f64', 'Jz', jumpRelative, { hot: true, ends: true }),
  row('JMP', 'FF /4 f64', 'Ev', jumpIndirect, { hot: true, ends: true }),
  row('CALL', 'E8 f64', 'Jz', callRelative, { hot: true, ends: true }),
  row('CALL', 'FF /2 f64', 'Ev', callIndirect, { hot: true, ends: true }),
  row('RET', 'C3 f64', '', returnNear(false), { hot: true, ends: true }),
  row('RET', 'C2 f64', 'Iw', returnNear(true), { ends: true }),
  row('LOOPNE', 'E0 f64', 'Jb', loop(5)),
  row('LOOPE', 'E1 f64', 'Jb', loop(4)),
  row('LOOP', 'E2 f64', 'Jb', loop()),
  row('JRCXZ', 'E3 f64', 'Jb', (e) => e.branchIf(isZeroCount(e))),
  row('CLC', 'F8', '', (e) => e.setCarry(i32.const(0))),
  row('STC', 'F9', '', (e) => e.setCarry(i32.const(1))),
  row('CMC', 'F5', '', (e) => e.setCarry(i32.xor(e.b.let(e.carry()), i32.const(1)))),
  row('CLD', 'FC', '', setDirection(false)),
  row('STD', 'FD', '', setDirection(true)),
  row('SALC', 'D6 i64', '', (e) => e.setReg(0, 8, i32.sub(i32.const(0), e.carry()))),
  row('BOUND', '62 /r !mod3 i64', 'Gv,Mv', host('bound')),
]

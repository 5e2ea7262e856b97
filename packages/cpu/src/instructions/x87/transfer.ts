import { i32, i64, select } from '@entresol/wasm-builder'
import type { Label } from '@entresol/wasm-builder'
import type { ConditionCode, Emitter, I32, I64 } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import {
  BEFORE_LOAD, BEFORE_STORE, begin, C1, clear, clearC1, conclude, controlWord, empty, faultC1, free, fromInteger, head, INDEFINITE_HEAD,
  INDEFINITE_SIGNIFICAND, moveTop, needing, operand, pop, pushing, pushPlain, pushResult, put, putResult, requireUsed, result, setResult,
  significand, st0, unless, value, widenPlain,
} from './stack.ts'
import type { StackRegister } from './stack.ts'

/** x87 data transfer and constants (SDM vol. 1, 8.3.3, 8.3.4). */

/** Pushes what `convert` makes of `bytes` bytes of memory; `plain` makes it without exceptions, or goes to `slow`. */
const load = (bytes: number, convert: (e: Emitter, address: I32) => void, plain?: (e: Emitter, address: I32, slow: Label) => [I64, I32]): Emit => (e) => {
  const address = begin(e, () => e.readAddress(bytes))
  const any = (): void => {
    pushing(e, () => {
      clear(e)
      convert(e, address)
    })
    conclude(e, C1, () => pushResult(e), BEFORE_LOAD)
  }
  if (plain) unless(e, (slow) => pushPlain(e, slow, () => plain(e, address, slow)), any)
  else any()
}

const loadF32 = load(4, (e, a) => e.helperVoid('f80_fromF32', i32.load(a)), (e, a, slow) => widenPlain(e, e.b.let(i32.load(a)), slow))
const loadF64 = load(8, (e, a) => e.helperVoid('f80_fromF64', i64.load(a)), (e, a, slow) => widenPlain(e, e.b.let(i64.load(a)), slow))
const loadF80 = load(10, (e, a) => setResult(e, i64.load(a), i32.load16_u(a, 8)), (_, a) => [i64.load(a), i32.load16_u(a, 8)])
const loadBcd = load(10, (e, a) => e.helperVoid('f80_fromBcd', i64.load(a), i32.load16_u(a, 8)))
const loadInteger = (bytes: number, value: (address: I32) => I64): Emit =>
  load(bytes, (e, a) => setResult(e, ...fromInteger(e, e.b.let(value(a)))), (e, a) => fromInteger(e, e.b.let(value(a))))
const loadI16 = loadInteger(2, (a) => i64.load16_s(a))
const loadI32 = loadInteger(4, (a) => i64.load32_s(a))
const loadI64 = loadInteger(8, (a) => i64.load(a))

/** A value that raises nothing of itself. */
const pushValue = (compute: (e: Emitter) => [I64, I32], needs: (e: Emitter) => readonly StackRegister[] = () => []): Emit => (e) => {
  begin(e)
  const registers = needs(e)
  unless(e, (slow) => {
    if (registers.length) requireUsed(e, registers, slow)
    pushPlain(e, slow, () => compute(e))
  }, () => {
    const push = (): void => pushing(e, () => {
      clear(e)
      setResult(e, ...compute(e))
    })
    if (registers.length) needing(e, registers, push)
    else push()
    conclude(e, C1, () => pushResult(e))
  })
}

const loadConstant = (significandValue: bigint, headValue: number): Emit => pushValue(() => [i64.const(significandValue), i32.const(headValue)])

/** π, log2 10 and the like are rounded as RC says: `down` is the significand below the value, `nearestUp` whether nearest is the one above. */
const loadRounded = (down: bigint, headValue: number, nearestUp: boolean): Emit => pushValue((e) => {
  const rounding = i32.and(controlWord(e), i32.const(0xc00))
  let up = i32.eq(rounding, i32.const(0x800))
  if (nearestUp) up = i32.or(up, i32.eqz(rounding))
  return [i64.add(i64.const(down), i64.extend_i32_u(up)), i32.const(headValue)]
})

/** FLD ST(i). */
const loadRegister: Emit = (e) => {
  let source: StackRegister
  pushValue(() => value(source), () => [source = operand(e, 0)])(e)
}

interface Store {
  readonly bytes: number
  readonly type: 'i32' | 'i64'
  readonly helper: string
  /** What an empty register stores. */
  readonly indefinite: number | bigint
  readonly rounding?: number
}

const F32: Store = { bytes: 4, type: 'i32', helper: 'f80_toF32', indefinite: 0xffc00000 }
const F64: Store = { bytes: 8, type: 'i64', helper: 'f80_toF64', indefinite: 0xfff8000000000000n }
const I16: Store = { bytes: 2, type: 'i32', helper: 'f80_toI16', indefinite: 0x8000 }
const INT32: Store = { bytes: 4, type: 'i32', helper: 'f80_toI32', indefinite: 0x80000000 }
const INT64: Store = { bytes: 8, type: 'i64', helper: 'f80_toI64', indefinite: 0x8000000000000000n }
const truncated = (store: Store): Store => ({ ...store, rounding: 0xc00 })

const store = (s: Store, pops: boolean): Emit => (e) => {
  const { b } = e
  const address = begin(e, () => e.writeAddress(s.bytes))
  const source = st0(e)
  const stored = b.local(s.type)
  needing(e, [source],
    () => b.set(stored, e.helper(s.helper, s.type, ...value(source), i32.or(controlWord(e), i32.const(s.rounding ?? 0)))),
    () => b.set(stored, s.type === 'i32' ? i32.const(s.indefinite) : i64.const(s.indefinite)))
  conclude(e, C1, () => {
    b.store(s.bytes === 2 ? 'i32_16' : s.type, address, 0, stored.get)
    e.commit(address)
    if (pops) pop(e)
  }, BEFORE_STORE)
}

/** FSTP m80fp moves bits; FBSTP converts. */
const storeTen = (compute: (e: Emitter, source: StackRegister) => void, moves: boolean): Emit => (e) => {
  const address = begin(e, () => e.writeAddress(10))
  const source = st0(e)
  const write = ([low, high]: [I64, I32]): void => {
    e.b.store('i64', address, 0, low)
    e.b.store('i32_16', address, 8, high)
    e.commit(address)
    pop(e)
  }
  const any = (): void => {
    needing(e, [source], () => compute(e, source))
    conclude(e, C1, () => write(result(e)), BEFORE_STORE)
  }
  if (!moves) any()
  else unless(e, (slow) => {
    requireUsed(e, [source], slow)
    write(value(source))
  }, any)
}

const storeF80 = storeTen((e, source) => setResult(e, ...value(source)), true)
const storeBcd = storeTen((e, source) => e.helperVoid('f80_toBcd', ...value(source), controlWord(e)), false)

/** FST ST(i), FSTP ST(i). */
const storeRegister = (pops: boolean): Emit => (e) => {
  begin(e)
  const source = st0(e)
  const destination = operand(e, 0)
  unless(e, (slow) => {
    requireUsed(e, [source], slow)
    put(e, destination, ...value(source))
    if (pops) pop(e)
  }, () => {
    needing(e, [source], () => setResult(e, ...value(source)))
    conclude(e, C1, () => {
      putResult(e, destination)
      if (pops) pop(e)
    })
  })
}

/** D9 /3 as CPUs have it: an empty ST(0) is no fault, it is popped and nothing else happens. */
const storeRegisterUnchecked: Emit = (e) => {
  begin(e)
  const source = st0(e)
  const destination = operand(e, 0)
  e.b.if(i32.eqz(empty(e, source)), () => put(e, destination, ...value(source)))
  pop(e)
  clearC1(e)
}

/** An empty register takes part as the indefinite. */
const exchange: Emit = (e) => {
  begin(e)
  const [a, b] = [st0(e), operand(e, 0)]
  unless(e, (slow) => {
    requireUsed(e, [a, b], slow)
    const [s, h] = [e.b.let(significand(a)), e.b.let(head(a))]
    put(e, a, ...value(b))
    put(e, b, s, h)
  }, () => exchangeEmpty(e, a, b))
}

function exchangeEmpty(e: Emitter, a: StackRegister, b: StackRegister): void {
  const values = [a, b].map((r) => {
    const [s, h] = [e.b.local('i64'), e.b.local('i32')]
    needing(e, [r], () => {
      e.b.set(s, significand(r))
      e.b.set(h, head(r))
    }, () => {
      e.b.set(s, i64.const(INDEFINITE_SIGNIFICAND))
      e.b.set(h, i32.const(INDEFINITE_HEAD))
    })
    return { s: s.get, h: h.get, flags: e.b.let(e.helperGlobal('flags', 'i32')) }
  })
  const [x, y] = values as [(typeof values)[number], (typeof values)[number]]
  e.setHelperGlobal('flags', i32.or(x.flags, y.flags))
  conclude(e, C1, () => {
    put(e, a, y.s, y.h)
    put(e, b, x.s, x.h)
  })
}

/** FCMOVcc: empty registers fault whatever the condition; else C1 stays. */
const conditionalMove = (code: ConditionCode): Emit => (e) => {
  begin(e)
  const [to, from] = [st0(e), operand(e, 0)]
  const condition = e.b.let(e.condition(code))
  needing(e, [to, from], () => setResult(e, pick(condition, significand(from), significand(to)), select(condition, head(from), head(to))))
  conclude(e, faultC1(e), () => putResult(e, to))
}
const pick = (condition: I32, a: I64, b: I64): I64 => select(condition, a, b)

const turn = (distance: number): Emit => (e) => {
  begin(e)
  moveTop(e, distance)
  clearC1(e)
}

const freeRegister = (pops: boolean): Emit => (e) => {
  begin(e)
  free(e, operand(e, 0))
  if (pops) pop(e)
  clearC1(e)
}

const CMOV = { feature: 'cmov' }
const SSE3 = { feature: 'pni' }

export const X87_TRANSFER: readonly Row[] = [
  row('FLD', 'D9 /0 !mod3', 'Md', loadF32),
  row('FLD', 'DD /0 !mod3', 'Mq', loadF64),
  row('FLD', 'DB /5 !mod3', 'Mt', loadF80),
  row('FLD', 'D9 /0 mod3', 'ST(i)', loadRegister),
  row('FST', 'D9 /2 !mod3', 'Md', store(F32, false)),
  row('FST', 'DD /2 !mod3', 'Mq', store(F64, false)),
  row('FST', 'DD /2 mod3', 'ST(i)', storeRegister(false)),
  row('FSTP', 'D9 /3 !mod3', 'Md', store(F32, true)),
  row('FSTP', 'DD /3 !mod3', 'Mq', store(F64, true)),
  row('FSTP', 'DB /7 !mod3', 'Mt', storeF80),
  row('FSTP', 'DD /3 mod3', 'ST(i)', storeRegister(true)),
  // Undocumented encodings that CPUs take.
  row('FSTP1', 'D9 /3 mod3', 'ST(i)', storeRegisterUnchecked),
  row('FSTP8', 'DF /2 mod3', 'ST(i)', storeRegister(true)),
  row('FSTP9', 'DF /3 mod3', 'ST(i)', storeRegister(true)),
  row('FILD', 'DF /0 !mod3', 'Mw', loadI16),
  row('FILD', 'DB /0 !mod3', 'Md', loadI32),
  row('FILD', 'DF /5 !mod3', 'Mq', loadI64),
  row('FIST', 'DF /2 !mod3', 'Mw', store(I16, false)),
  row('FIST', 'DB /2 !mod3', 'Md', store(INT32, false)),
  row('FISTP', 'DF /3 !mod3', 'Mw', store(I16, true)),
  row('FISTP', 'DB /3 !mod3', 'Md', store(INT32, true)),
  row('FISTP', 'DF /7 !mod3', 'Mq', store(INT64, true)),
  row('FISTTP', 'DF /1 !mod3', 'Mw', store(truncated(I16), true), SSE3),
  row('FISTTP', 'DB /1 !mod3', 'Md', store(truncated(INT32), true), SSE3),
  row('FISTTP', 'DD /1 !mod3', 'Mq', store(truncated(INT64), true), SSE3),
  row('FBLD', 'DF /4 !mod3', 'Mt', loadBcd),
  row('FBSTP', 'DF /6 !mod3', 'Mt', storeBcd),
  row('FXCH', 'D9 /1 mod3', 'ST(i)', exchange),
  row('FXCH4', 'DD /1 mod3', 'ST(i)', exchange),
  row('FXCH7', 'DF /1 mod3', 'ST(i)', exchange),
  row('FCMOVB', 'DA /0 mod3', 'ST(i)', conditionalMove(2), CMOV),
  row('FCMOVE', 'DA /1 mod3', 'ST(i)', conditionalMove(4), CMOV),
  row('FCMOVBE', 'DA /2 mod3', 'ST(i)', conditionalMove(6), CMOV),
  row('FCMOVU', 'DA /3 mod3', 'ST(i)', conditionalMove(10), CMOV),
  row('FCMOVNB', 'DB /0 mod3', 'ST(i)', conditionalMove(3), CMOV),
  row('FCMOVNE', 'DB /1 mod3', 'ST(i)', conditionalMove(5), CMOV),
  row('FCMOVNBE', 'DB /2 mod3', 'ST(i)', conditionalMove(7), CMOV),
  row('FCMOVNU', 'DB /3 mod3', 'ST(i)', conditionalMove(11), CMOV),
  row('FLD1', 'D9 /5 mod3 rm=0', 'ST', loadConstant(0x8000000000000000n, 0x3fff)),
  row('FLDL2T', 'D9 /5 mod3 rm=1', 'ST', loadRounded(0xd49a784bcd1b8afen, 0x4000, false)),
  row('FLDL2E', 'D9 /5 mod3 rm=2', 'ST', loadRounded(0xb8aa3b295c17f0bbn, 0x3fff, true)),
  row('FLDPI', 'D9 /5 mod3 rm=3', 'ST', loadRounded(0xc90fdaa22168c234n, 0x4000, true)),
  row('FLDLG2', 'D9 /5 mod3 rm=4', 'ST', loadRounded(0x9a209a84fbcff798n, 0x3ffd, true)),
  row('FLDLN2', 'D9 /5 mod3 rm=5', 'ST', loadRounded(0xb17217f7d1cf79abn, 0x3ffe, true)),
  row('FLDZ', 'D9 /5 mod3 rm=6', 'ST', loadConstant(0n, 0)),
  row('FDECSTP', 'D9 /6 mod3 rm=6', 'ST', turn(-1)),
  row('FINCSTP', 'D9 /6 mod3 rm=7', 'ST', turn(1)),
  row('FFREE', 'DD /0 mod3', 'ST(i)', freeRegister(false)),
  row('FFREEP', 'DF /0 mod3', 'ST(i)', freeRegister(true)),
]

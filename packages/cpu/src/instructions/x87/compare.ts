import { i32, i64 } from '@entresol/wasm-builder'
import type { Emitter, I32, I64 } from '../../emit/emitter.ts'
import { FPU_STATUS } from '../../state/layout.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { F32, F64, I16, INT32 } from './arithmetic.ts'
import type { Widen } from './arithmetic.ts'
import { begin, C0, C2, C3, conclude, CONDITIONS, controlWord, empty, faultC1, head, needing, operand, pop, significand, st, st0, value } from './stack.ts'
import type { StackRegister } from './stack.ts'

/** x87 comparison and classification (SDM vol. 1, 8.3.6). */
const UNORDERED = C0 | C2 | C3
const QUIET = 1
const SIGNAL = 0

/** `other`: the second operand, and what the control word has beside. */
function compare(e: Emitter, operands: readonly StackRegister[], other: () => ReturnType<Widen['widen']>, quiet: number, pops: number): void {
  needing(e, operands,
    () => {
      const { value: [s, h], denormal } = other()
      e.b.drop(e.helper('f80_compare', 'i32', ...value(operands[0]!), s, h, i32.const(quiet), i32.or(controlWord(e), denormal)))
    },
    () => e.setHelperGlobal('condition', i32.const(UNORDERED)))
  conclude(e, CONDITIONS, () => {
    for (let n = 0; n < pops; n++) pop(e)
  })
}
const extended = (v: [I64, I32]): ReturnType<Widen['widen']> => ({ value: v, denormal: i32.const(0) })

const register = (quiet: number, pops: number, other: (e: Emitter) => StackRegister = (e) => operand(e, 0)): Emit => (e) => {
  begin(e)
  const b = other(e)
  compare(e, [st0(e), b], () => extended(value(b)), quiet, pops)
}

const memory = (widen: Widen, pops: number): Emit => (e) => {
  const address = begin(e, () => e.readAddress(widen.bytes))
  compare(e, [st0(e)], () => widen.widen(e, address), SIGNAL, pops)
}

const test: Emit = (e) => {
  begin(e)
  compare(e, [st0(e)], () => extended([i64.const(0), i32.const(0)]), SIGNAL, 0)
}

/** FCOMI and its like: the relation goes to CF, PF and ZF even if an exception is unmasked (Zen 4 does so); without a stack fault C1 stays. */
const compareFlags = (quiet: number, pops: number): Emit => (e) => {
  begin(e)
  const [a, b] = [st0(e), operand(e, 0)]
  const relation = e.b.local('i32')
  needing(e, [a, b],
    () => e.b.set(relation, e.helper('f80_compare', 'i32', ...value(a), ...value(b), i32.const(quiet), controlWord(e))),
    () => e.b.set(relation, i32.const(0x45)))
  e.setArithmeticFlags(relation.get)
  conclude(e, faultC1(e), () => {
    for (let n = 0; n < pops; n++) pop(e)
  })
}

/** FXAM: an empty register is C3 and C0, with its sign all the same. */
const examine: Emit = (e) => {
  begin(e)
  const a = st0(e)
  const class_ = e.b.local('i32')
  e.b.if(empty(e, a),
    () => e.b.set(class_, i32.or(i32.const(C3 | C0), i32.and(i32.shr_u(head(a), i32.const(6)), i32.const(0x200)))),
    () => e.b.set(class_, e.helper('f80_examine', 'i32', significand(a), head(a))))
  e.setField32(FPU_STATUS, i32.or(i32.and(e.field32(FPU_STATUS), i32.const(~CONDITIONS)), class_.get))
}

const CMOV = { feature: 'cmov' }

export const X87_COMPARE: readonly Row[] = [
  row('FCOM', 'D8 /2 !mod3', 'Md', memory(F32, 0)),
  row('FCOM', 'DC /2 !mod3', 'Mq', memory(F64, 0)),
  row('FCOM', 'D8 /2 mod3', 'ST(i)', register(SIGNAL, 0)),
  row('FCOM2', 'DC /2 mod3', 'ST(i)', register(SIGNAL, 0)),
  row('FCOMP', 'D8 /3 !mod3', 'Md', memory(F32, 1)),
  row('FCOMP', 'DC /3 !mod3', 'Mq', memory(F64, 1)),
  row('FCOMP', 'D8 /3 mod3', 'ST(i)', register(SIGNAL, 1)),
  row('FCOMP3', 'DC /3 mod3', 'ST(i)', register(SIGNAL, 1)),
  row('FCOMP5', 'DE /2 mod3', 'ST(i)', register(SIGNAL, 1)),
  row('FCOMPP', 'DE /3 mod3 rm=1', 'ST', register(SIGNAL, 2, (e) => st(e, 1))),
  row('FICOM', 'DE /2 !mod3', 'Mw', memory(I16, 0)),
  row('FICOM', 'DA /2 !mod3', 'Md', memory(INT32, 0)),
  row('FICOMP', 'DE /3 !mod3', 'Mw', memory(I16, 1)),
  row('FICOMP', 'DA /3 !mod3', 'Md', memory(INT32, 1)),
  row('FUCOM', 'DD /4 mod3', 'ST(i)', register(QUIET, 0)),
  row('FUCOMP', 'DD /5 mod3', 'ST(i)', register(QUIET, 1)),
  row('FUCOMPP', 'DA /5 mod3 rm=1', 'ST', register(QUIET, 2, (e) => st(e, 1))),
  row('FCOMI', 'DB /6 mod3', 'ST(i)', compareFlags(SIGNAL, 0), CMOV),
  row('FCOMIP', 'DF /6 mod3', 'ST(i)', compareFlags(SIGNAL, 1), CMOV),
  row('FUCOMI', 'DB /5 mod3', 'ST(i)', compareFlags(QUIET, 0), CMOV),
  row('FUCOMIP', 'DF /5 mod3', 'ST(i)', compareFlags(QUIET, 1), CMOV),
  row('FTST', 'D9 /4 mod3 rm=4', 'ST', test),
  row('FXAM', 'D9 /4 mod3 rm=5', 'ST', examine),
]

import { i32 } from '@entresol/wasm-builder'
import type { Emitter } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { begin, C1, C2, conclude, controlWord, needing, pop, pushing, pushResult, putResult, secondResult, st, st0, value } from './stack.ts'

/** x87 transcendental functions and FXTRACT (SDM vol. 1, 8.3.5, 8.3.7, 8.3.8). Real CPUs differ in the last bit: not recorded. */

const unary = (helper: string, mask: number): Emit => (e) => {
  begin(e)
  const a = st0(e)
  needing(e, [a], () => e.helperVoid(helper, ...value(a), controlWord(e)))
  conclude(e, mask, () => putResult(e, a))
}

/** ST(0) and ST(1); the result replaces ST(1), and ST(0) is popped. */
const binary = (helper: string): Emit => (e) => {
  begin(e)
  const [a, b] = [st0(e), st(e, 1)]
  needing(e, [a, b], () => e.helperVoid(helper, ...value(a), ...value(b), controlWord(e)))
  conclude(e, C1, () => {
    putResult(e, b)
    pop(e)
  })
}

/** Two results: one replaces ST(0), the other is pushed unless C2 says that nothing was computed. */
const pair = (helper: string, mask: number): Emit => (e) => {
  begin(e)
  const a = st0(e)
  needing(e, [a], () => pushing(e, () => e.helperVoid(helper, ...value(a), controlWord(e))))
  conclude(e, mask, () => {
    putResult(e, a)
    e.b.if(notReduced(e), () => {}, () => pushResult(e, secondResult(e)))
  })
}
const notReduced = (e: Emitter): ReturnType<typeof i32.and> => i32.and(e.helperGlobal('condition', 'i32'), i32.const(C2))

const LAST_BIT = { unobservable: true } as const

export const X87_TRANSCENDENTAL: readonly Row[] = [
  row('F2XM1', 'D9 /6 mod3 rm=0', 'ST', unary('f80_f2xm1', C1), LAST_BIT),
  row('FYL2X', 'D9 /6 mod3 rm=1', 'ST', binary('f80_yl2x'), LAST_BIT),
  row('FPTAN', 'D9 /6 mod3 rm=2', 'ST', pair('f80_tan', C1 | C2), LAST_BIT),
  row('FPATAN', 'D9 /6 mod3 rm=3', 'ST', binary('f80_atan'), LAST_BIT),
  row('FXTRACT', 'D9 /6 mod3 rm=4', 'ST', pair('f80_extract', C1)),
  row('FYL2XP1', 'D9 /7 mod3 rm=1', 'ST', binary('f80_yl2xp1'), LAST_BIT),
  row('FSINCOS', 'D9 /7 mod3 rm=3', 'ST', pair('f80_sincos', C1 | C2), LAST_BIT),
  row('FSIN', 'D9 /7 mod3 rm=6', 'ST', unary('f80_sin', C1 | C2), LAST_BIT),
  row('FCOS', 'D9 /7 mod3 rm=7', 'ST', unary('f80_cos', C1 | C2), LAST_BIT),
]

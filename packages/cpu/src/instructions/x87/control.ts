import { i32, i64 } from '@entresol/wasm-builder'
import type { Emitter, I32 } from '../../emit/emitter.ts'
import { CR0, FPU_CONTROL, FPU_DP, FPU_EMPTY, FPU_IP, FPU_OPCODE, FPU_STATUS, FPU_TOP, UNIT_X87, UNITS } from '../../state/layout.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'

/** x87 control instructions (SDM vol. 1, 8.3.9). */
const FPU_NO_EXCEPTIONS = 0x3f
/** ES and B summarise unmasked exceptions (SDM vol. 1, 8.1.3). */
const STATUS_ERROR_SUMMARY = 0x8080

/** The no-wait forms deliver no pending exception: only #NM. */
const requireNoWait = (e: Emitter): void =>
  e.b.if(i32.eqz(i32.and(e.field32(UNITS), i32.const(UNIT_X87))), () => e.host('require-x87'))

/** The status word with TOP in place. */
export const statusWord = (e: Emitter): I32 => i32.or(e.field32(FPU_STATUS), i32.shl(e.field32(FPU_TOP), i32.const(11)))

/** Sets or clears ES and B after the control or status word changed. */
export function summarise(e: Emitter): void {
  const pending = i32.and(i32.and(e.field32(FPU_STATUS), i32.xor(e.field32(FPU_CONTROL), i32.const(-1))), i32.const(FPU_NO_EXCEPTIONS))
  const status = e.b.let(i32.and(e.field32(FPU_STATUS), i32.const(~STATUS_ERROR_SUMMARY)))
  const summary = i32.mul(i32.ne(pending, i32.const(0)), i32.const(STATUS_ERROR_SUMMARY))
  e.setField32(FPU_STATUS, i32.or(status, summary))
}

const initialise: Emit = (e) => {
  requireNoWait(e)
  e.setField32(FPU_CONTROL, i32.const(0x37f))
  e.setField32(FPU_STATUS, i32.const(0))
  e.setField32(FPU_TOP, i32.const(0))
  e.setField32(FPU_EMPTY, i32.const(0xff))
  e.setField32(FPU_OPCODE, i32.const(0))
  e.setField64(FPU_IP, i64.const(0))
  e.setField64(FPU_DP, i64.const(0))
}

const clearExceptions: Emit = (e) => {
  requireNoWait(e)
  e.setField32(FPU_STATUS, i32.and(e.field32(FPU_STATUS), i32.const(0x7f00)))
}

const storeStatus: Emit = (e) => {
  requireNoWait(e)
  e.set(0, statusWord(e))
}

const storeControl: Emit = (e) => {
  requireNoWait(e)
  e.set(0, e.field32(FPU_CONTROL))
}

const loadControl: Emit = (e) => {
  e.requireUnit('x87')
  const value = e.get(0) as I32
  // Bit 6 always reads as one; the other reserved bits as zero.
  e.setField32(FPU_CONTROL, i32.or(i32.and(value, i32.const(0x1f3f)), i32.const(0x40)))
  summarise(e)
}

/** FWAIT faults with #NM only when both CR0.MP and CR0.TS are set. */
const wait: Emit = (e) => {
  const both = i32.and(i32.shr_u(e.field32(CR0), i32.const(3)), i32.shr_u(e.field32(CR0), i32.const(1)))
  e.raiseIf(i32.and(both, i32.const(1)), 7)
  e.raiseIf(i32.and(e.field32(FPU_STATUS), i32.const(0x80)), 16)
}

const loading = (name: string): Emit => Object.assign((e: Emitter) => {
  e.requireUnit('x87')
  e.host(name)
}, { hosted: true as const })

const storing = (name: string): Emit => Object.assign((e: Emitter) => {
  requireNoWait(e)
  e.host(name)
}, { hosted: true as const })

/** Instructions of the 8087 and 80287 that later processors take and ignore. */
const ignored: Emit = (e) => requireNoWait(e)

export const X87_CONTROL: readonly Row[] = [
  row('FNINIT', 'DB /4 mod3 rm=3', 'ST', initialise),
  row('FNCLEX', 'DB /4 mod3 rm=2', 'ST', clearExceptions),
  row('FNSTSW', 'DD /7 !mod3', 'Mw', storeStatus),
  row('FNSTSW', 'DF /4 mod3 rm=0', 'AX', storeStatus),
  row('FNSTCW', 'D9 /7 !mod3', 'Mw', storeControl),
  row('FLDCW', 'D9 /5 !mod3', 'Mw', loadControl),
  row('FLDENV', 'D9 /4 !mod3', 'Mz', loading('fldenv')),
  row('FNSTENV', 'D9 /6 !mod3', 'Mz', storing('fnstenv')),
  row('FRSTOR', 'DD /4 !mod3', 'Mz', loading('frstor')),
  row('FNSAVE', 'DD /6 !mod3', 'Mz', storing('fnsave')),
  row('FNENI', 'DB /4 mod3 rm=0', 'ST', ignored),
  row('FNDISI', 'DB /4 mod3 rm=1', 'ST', ignored),
  row('FNSETPM', 'DB /4 mod3 rm=4', 'ST', ignored),
  row('FWAIT', '9B', '', wait),
]

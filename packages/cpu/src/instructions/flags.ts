import { i32, i64 } from '@entresol/wasm-builder'
import type { I32 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'
import type { Emit, Row } from './row.ts'
import { row } from './row.ts'

const U = { unobservable: true } as const

/** CF, PF, AF, ZF, SF, OF. */
const ARITHMETIC = 0x8d5
/** Flags whose change needs no more than a store. */
const PLAIN = ARITHMETIC | L.FLAG_DF

/** EFLAGS without the arithmetic flags. */
const systemFlags = (e: Parameters<Emit>[0]): I32 => e.b.let(e.field32(L.EFLAGS))

/** Kernels save and restore flags around every short critical section: what has no consequence beyond the flags stays in generated code. */
const pushFlags: Emit = (e) => {
  const flags = systemFlags(e)
  e.b.if(i32.and(flags, i32.const(L.FLAG_VM)), () => e.host('pushf'), () => {
    const image = e.b.let(i32.or(i32.and(flags, i32.const(~(L.FLAG_RF | L.FLAG_VM))), e.arithmeticFlags()))
    e.push(e.width, e.width === 64 ? i64.extend_i32_u(image) : image)
  })
}

/**
 * In generated code only where nothing but the plain flags changes, or IF too at CPL 0 while no interrupt waits for it. Virtual-8086 mode,
 * single step, RF and the rest of the flags go to TypeScript (SDM vol. 2, POPF, table 4-16).
 */
const popFlags: Emit = (e) => {
  const { b } = e
  const flags = systemFlags(e)
  const value = e.peek(e.width)
  const popped = value.type === 'i64' ? i32.wrap_i64(value) : value
  const image = b.let(e.width === 16 ? i32.or(i32.and(popped, i32.const(0xffff)), i32.and(flags, i32.const(~0xffff))) : popped)
  const mayInterrupt = i32.or(e.field32(L.CPL), e.field32(L.INTERRUPT_PENDING))
  const plain = b.let(i32.or(i32.const(PLAIN), i32.shl(i32.eqz(mayInterrupt), i32.const(9))))
  // Bit 1 reads as one and bits 3, 5, 15 and 22.. as zero whatever is popped; VIF and VIP are not POPF's.
  const looked = 0x37ffd5 & ~(L.FLAG_VIF | L.FLAG_VIP)
  const changes = i32.and(i32.xor(image, flags), i32.and(i32.const(looked), i32.xor(plain, i32.const(-1))))
  const special = i32.and(flags, i32.const(L.FLAG_VM | L.FLAG_TF | L.FLAG_RF))
  b.if(i32.or(changes, special), () => e.host('popf'), () => {
    e.dropStack(i64.const(e.width / 8))
    e.setArithmeticFlags(image)
    const taken = i32.const(L.FLAG_DF | L.FLAG_IF)
    const settable = i32.and(plain, taken)
    e.setField32(L.EFLAGS, i32.or(i32.and(flags, i32.xor(settable, i32.const(-1))), i32.and(image, settable)))
  })
}

/** CPL <= IOPL: IF is cleared; anything else is a fault or VIF (SDM vol. 2, CLI). */
const clearInterrupts: Emit = (e) => {
  const flags = systemFlags(e)
  const iopl = i32.and(i32.shr_u(flags, i32.const(12)), i32.const(3))
  const refused = i32.or(i32.gt_u(e.field32(L.CPL), iopl), i32.and(flags, i32.const(L.FLAG_VM)))
  e.b.if(refused, () => e.host('cli'), () => e.setField32(L.EFLAGS, i32.and(flags, i32.const(~L.FLAG_IF))))
}

export const FLAG_ROWS: readonly Row[] = [
  row('CLI', 'FA', '', clearInterrupts, U),
  row('PUSHF', '9C d64', '', pushFlags, U),
  row('POPF', '9D d64', '', popFlags, U),
]

import { i32, i64, select } from '@entresol/wasm-builder'
import type { Label } from '@entresol/wasm-builder'
import type { Emitter, I32, I64 } from '../../emit/emitter.ts'
import { FPU_CONTROL, FPU_DP, FPU_EMPTY, FPU_IP, FPU_OPCODE, FPU_REGISTERS, FPU_STATUS, FPU_TOP } from '../../state/layout.ts'

/**
 * The x87 register stack and the responses to its exceptions (SDM vol. 1, 8.1, 8.4, 8.5). Results and exceptions of an instruction
 * stand in the helpers' globals until `conclude`; a stack fault puts there what its masked response is.
 */

/** Status word: exceptions, stack fault, error summary with B, condition codes. */
export const IE = 0x01
const STACK_FAULT = 0x40
export const ERROR_SUMMARY = 0x8080
export const C0 = 0x100
export const C1 = 0x200
export const C2 = 0x400
export const C3 = 0x4000
export const CONDITIONS: number = C0 | C1 | C2 | C3
const EXCEPTIONS = 0x3f
/** Unmasked, these end the instruction before a register is written; OE and UE keep a result from memory, too. */
const BEFORE_RESULT = 0x07
/** A load of a denormal is done even if that is unmasked. */
export const BEFORE_LOAD = 0x05
export const BEFORE_STORE = 0x1f

/** The QNaN floating-point indefinite (SDM vol. 1, 4.8.3.7). */
export const INDEFINITE_HEAD = 0xffff
export const INDEFINITE_SIGNIFICAND = 0xc000000000000000n

/** A stack register found: bound physical number, and address of its cell less FPU_REGISTERS. */
export interface StackRegister {
  readonly number: I32
  readonly cell: I32
}

function physical(e: Emitter, number: I32): StackRegister {
  const bound = e.b.let(number)
  return { number: bound, cell: e.b.let(i32.add(e.cpu, i32.shl(bound, i32.const(4)))) }
}

const top = (e: Emitter, distance: I32): I32 => i32.and(i32.add(e.field32(FPU_TOP), distance), i32.const(7))

/** ST(0). */
export const st0 = (e: Emitter): StackRegister => physical(e, e.field32(FPU_TOP))
/** ST(i); the distance may be -1 for the register a push takes. */
export const st = (e: Emitter, i: number | I32): StackRegister => (i === 0 ? st0(e) : physical(e, top(e, typeof i === 'number' ? i32.const(i) : i)))
/** The row's ST(i) operand. */
export const operand = (e: Emitter, position: number): StackRegister => st(e, e.get(position) as I32)

export const significand = (r: StackRegister): I64 => i64.load(r.cell, FPU_REGISTERS)
export const head = (r: StackRegister): I32 => i32.load16_u(r.cell, FPU_REGISTERS + 8)
/** Nonzero when the register is empty. */
export const empty = (e: Emitter, r: StackRegister): I32 => i32.and(i32.shr_u(e.field32(FPU_EMPTY), r.number), i32.const(1))

/** The value as the leading arguments of a helper. */
export const value = (r: StackRegister): [I64, I32] => [significand(r), head(r)]

/** Writes the register and marks it in use. */
export function put(e: Emitter, r: StackRegister, significandValue: I64, headValue: I32): void {
  e.b.store('i64', r.cell, FPU_REGISTERS, significandValue)
  e.b.store('i32_16', r.cell, FPU_REGISTERS + 8, headValue)
  use(e, r)
}

export function use(e: Emitter, r: StackRegister): void {
  e.setField32(FPU_EMPTY, i32.and(e.field32(FPU_EMPTY), i32.rotl(i32.const(-2), r.number)))
}

export function free(e: Emitter, r: StackRegister): void {
  e.setField32(FPU_EMPTY, i32.or(e.field32(FPU_EMPTY), i32.shl(i32.const(1), r.number)))
}

export function moveTop(e: Emitter, distance: number): void {
  e.setField32(FPU_TOP, top(e, i32.const(distance)))
}

export function pop(e: Emitter): void {
  free(e, st0(e))
  moveTop(e, 1)
}

export const result = (e: Emitter): [I64, I32] => [e.helperGlobal('sigResult', 'i64'), e.helperGlobal('expResult', 'i32')]
export const secondResult = (e: Emitter): [I64, I32] => [e.helperGlobal('sigResult2', 'i64'), e.helperGlobal('expResult2', 'i32')]

/** Writes the helper's result to `r`. */
export const putResult = (e: Emitter, r: StackRegister): void => put(e, r, ...result(e))

export function setResult(e: Emitter, significandValue: I64, headValue: I32): void {
  e.setHelperGlobal('sigResult', significandValue)
  e.setHelperGlobal('expResult', headValue)
}

/** Leaves a stack fault and the indefinite as the outcome; C1 tells overflow (1) from underflow (SDM vol. 1, 8.5.1.1). */
function stackFault(e: Emitter, condition: number): void {
  e.setHelperGlobal('flags', i32.const(IE | STACK_FAULT))
  e.setHelperGlobal('condition', i32.const(condition))
  setResult(e, i64.const(INDEFINITE_SIGNIFICAND), i32.const(INDEFINITE_HEAD))
  e.setHelperGlobal('sigResult2', i64.const(INDEFINITE_SIGNIFICAND))
  e.setHelperGlobal('expResult2', i32.const(INDEFINITE_HEAD))
}

/** Runs `compute`, which calls one helper, unless an operand is empty: `otherwise` then adds to the underflow's outcome. */
export function needing(e: Emitter, operands: readonly StackRegister[], compute: () => void, otherwise?: () => void): void {
  const missing = operands.map((r) => empty(e, r)).reduce((a, b) => i32.or(a, b))
  e.b.if(missing, () => {
    stackFault(e, 0)
    otherwise?.()
  }, () => {
    clear(e)
    compute()
  })
}

/** Runs `compute` unless the register a push would take is in use: stack overflow. */
export function pushing(e: Emitter, compute: () => void): void {
  e.b.if(empty(e, st(e, -1)), compute, () => stackFault(e, C1))
}

/** Nothing has happened yet: no exceptions, no conditions. */
export function clear(e: Emitter): void {
  e.setHelperGlobal('flags', i32.const(0))
  e.setHelperGlobal('condition', i32.const(0))
}

/** Pushes the helper's result. */
export function pushResult(e: Emitter, values: [I64, I32] = result(e)): void {
  moveTop(e, -1)
  put(e, st0(e), ...values)
}

/** C1 as mask after a stack fault, else nothing: for instructions that only then touch it. */
export const faultC1 = (e: Emitter): I32 => e.b.let(i32.shl(i32.and(e.helperGlobal('flags', 'i32'), i32.const(STACK_FAULT)), i32.const(3)))

/** The status word's exceptions and condition codes of `mask` from the helpers' globals; then `write` unless an unmasked exception of `stopping` forbids it. */
export function conclude(e: Emitter, mask: number | I32, write: () => void, stopping: number = BEFORE_RESULT): void {
  const flags = e.helperGlobal('flags', 'i32')
  const unmasked = e.b.let(i32.and(flags, i32.xor(e.field32(FPU_CONTROL), i32.const(-1))))
  const bits = typeof mask === 'number' ? i32.const(mask) : mask
  const condition = i32.and(e.helperGlobal('condition', 'i32'), bits)
  const kept = i32.and(e.field32(FPU_STATUS), i32.xor(bits, i32.const(-1)))
  const summary = select(i32.and(unmasked, i32.const(EXCEPTIONS)), i32.const(ERROR_SUMMARY), i32.const(0))
  e.setField32(FPU_STATUS, i32.or(i32.or(kept, condition), i32.or(flags, summary)))
  e.b.if(i32.eqz(i32.and(unmasked, i32.const(stopping))), write)
}

/** `plain`, after which C1 is clear, unless it goes to `slow` before it changes anything; then `otherwise`. */
export function unless(e: Emitter, plain: (slow: Label) => void, otherwise: () => void): void {
  e.b.block((end) => {
    e.b.block((slow) => {
      plain(slow)
      clearC1(e)
      e.b.br(end)
    })
    otherwise()
  })
}

/** To `slow` if one of the registers is empty. */
export function requireUsed(e: Emitter, registers: readonly StackRegister[], slow: Label): void {
  e.b.brIf(slow, registers.map((r) => empty(e, r)).reduce((a, b) => i32.or(a, b)), { likely: false })
}

/** Pushes what `compute` yields; to `slow` if the register is in use. */
export function pushPlain(e: Emitter, slow: Label, compute: () => [I64, I32]): void {
  const target = st(e, -1)
  e.b.brIf(slow, i32.eqz(empty(e, target)), { likely: false })
  const [s, h] = compute()
  const [boundS, boundH] = [e.b.let(s), e.b.let(h)]
  e.setField32(FPU_TOP, target.number)
  put(e, target, boundS, boundH)
}

const INTEGER_BIT = -(1n << 63n)

/** A normal number or zero of m32fp or m64fp as an extended one; to `slow` with what else its bits, which are bound, may be. */
export function widenPlain(e: Emitter, bits: I32 | I64, slow: Label): [I64, I32] {
  const single = bits.type === 'i32'
  const [special, bias] = single ? [0xff, 127] : [0x7ff, 1023]
  const exponent = e.b.let(i32.and(single ? i32.shr_u(bits, i32.const(23)) : i32.wrap_i64(i64.shr_u(bits, i64.const(52))), i32.const(special)))
  const rest = single ? i32.ne(i32.shl(bits, i32.const(1)), i32.const(0)) : i64.ne(i64.shl(bits, i64.const(1)), i64.const(0))
  e.b.if(i32.ge_u(i32.sub(exponent, i32.const(1)), i32.const(special - 1)), () => e.b.brIf(slow, rest), undefined, { likely: false })
  const fraction = single ? i64.shl(i64.extend_i32_u(bits), i64.const(40)) : i64.shl(bits, i64.const(11))
  const sign = i32.and(single ? i32.shr_u(bits, i32.const(16)) : i32.wrap_i64(i64.shr_u(bits, i64.const(48))), i32.const(0x8000))
  return [
    select(exponent, i64.or(fraction, i64.const(INTEGER_BIT)), i64.const(0)),
    i32.or(sign, select(exponent, i32.add(exponent, i32.const(16383 - bias)), i32.const(0))),
  ]
}

/** An integer as an extended number. */
export function fromInteger(e: Emitter, value: I64): [I64, I32] {
  const negative = e.b.let(i64.shr_s(value, i64.const(63)))
  const magnitude = e.b.let(i64.sub(i64.xor(value, negative), negative))
  const zeros = e.b.let(i64.clz(magnitude))
  const head = i32.or(i32.and(i32.wrap_i64(negative), i32.const(0x8000)), i32.sub(i32.const(16383 + 63), i32.wrap_i64(zeros)))
  return [i64.shl(magnitude, zeros), select(i64.eqz(magnitude), i32.const(0), head)]
}

/** Clears condition code C1: instructions without exceptions. */
export function clearC1(e: Emitter): void {
  e.setField32(FPU_STATUS, i32.and(e.field32(FPU_STATUS), i32.const(~C1)))
}

/**
 * Start of every non-control instruction: the unit's conditions, then the operand of `read` bytes whose faults come before anything else,
 * then the pointers for exception handlers. FCS and FDS are zero (CPUID.7.EBX[13]).
 */
export function begin(e: Emitter, access?: () => I32): I32 {
  e.requireUnit('x87')
  const address = access?.()
  e.setField64(FPU_IP, e.rip())
  e.setField32(FPU_OPCODE, e.x87Opcode())
  if (address) e.setField64(FPU_DP, e.effectiveAddress())
  return address ?? i32.const(0)
}

export const controlWord = (e: Emitter): I32 => e.field32(FPU_CONTROL)

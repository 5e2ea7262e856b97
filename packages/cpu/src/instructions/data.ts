import { i32, i64 } from '@entresol/wasm-builder'
import { low32, narrow, pick, sign64, signExtend, widen } from '../emit/arithmetic.ts'
import type { ConditionCode, Emitter, I32, Int, Width } from '../emit/emitter.ts'
import * as L from '../state/layout.ts'
import { host, row } from './row.ts'
import type { Emit, Row } from './row.ts'

/** Data movement (SDM vol. 1, 5.1.1). */
const move: Emit = (e) => e.set(0, e.get(1))

const moveZero: Emit = (e) => {
  const value = e.get(1)
  e.set(0, widen(e.widthOf(0), low32(value)))
}

const moveSign: Emit = (e) => {
  const value = e.get(1)
  e.set(0, narrow(e.widthOf(0), sign64(e.widthOf(1), value)))
}

const exchange: Emit = (e) => {
  const b = e.b.let(e.get(1))
  e.modify(0, (a) => {
    e.set(1, a)
    return b
  }, true)
}

const lea: Emit = (e) => e.set(0, narrow(e.widthOf(0), e.effectiveAddress()))

/** Bytes in reverse order. */
function reverseBytes(e: Emitter, width: Width, a: Int): Int {
  if (a.type === 'i64') {
    const bytes = i64.const(0x00ff00ff00ff00ffn)
    const b = e.b.let(i64.or(i64.shl(i64.and(a, bytes), i64.const(8)), i64.and(i64.shr_u(a, i64.const(8)), bytes)))
    const words = i64.const(0x0000ffff0000ffffn)
    const c = i64.or(i64.shl(i64.and(b, words), i64.const(16)), i64.and(i64.shr_u(b, i64.const(16)), words))
    return i64.rotl(c, i64.const(32))
  }
  if (width === 16) return i32.or(i32.shl(a, i32.const(8)), i32.shr_u(a, i32.const(8)))
  return i32.or(i32.and(i32.rotl(a, i32.const(8)), i32.const(0x00ff00ff)), i32.and(i32.rotr(a, i32.const(8)), i32.const(0xff00ff00)))
}

/** BSWAP of a 16-bit register is undefined; processors clear it. */
const byteSwap: Emit = (e) => e.set(0, e.widthOf(0) === 16 ? i32.const(0) : reverseBytes(e, e.widthOf(0), e.get(0)))

const moveBigEndian: Emit = (e) => {
  const a = e.get(1)
  e.set(0, reverseBytes(e, e.widthOf(0), a))
}

/** The load happens whatever the condition; a 32-bit destination is zero-extended either way. */
const conditionalMove = (code: ConditionCode): Emit => (e) => {
  const source = e.get(1)
  const old = e.get(0)
  e.set(0, pick(e.condition(code), source, old))
}

const setOn = (code: ConditionCode): Emit => (e) => e.set(0, e.condition(code))

const pushOperand: Emit = (e) => e.push(e.width, e.get(0))

const popOperand: Emit = (e) => {
  const value = e.peek(e.width)
  if (e.isMemory(0)) {
    // The store may fault: rSP moves only after it.
    e.set(0, value)
    e.dropStack(i64.const(e.width / 8))
  } else {
    // POP rSP leaves the popped value.
    e.dropStack(i64.const(e.width / 8))
    e.set(0, value)
  }
}

const leave: Emit = (e) => {
  const mask = e.field64(L.STACK_MASK)
  const frame = e.b.let(i64.and(e.field64(L.REGS + 5 * 8), mask))
  const value = e.loadStack(e.width, frame)
  e.dropStack(i64.sub(i64.add(frame, i64.const(e.width / 8)), e.field64(L.REGS + 4 * 8)))
  e.setReg(5, e.width, value)
}

const translate: Emit = (e) => {
  const pointer = i64.add(e.field64(L.REGS + 3 * 8), i64.extend_i32_u(e.reg(0, 8) as I32))
  e.setReg(0, 8, i32.load8_u(e.strings.sourceAddress(1, pointer)))
}

const signExtendAccumulator: Emit = (e) => {
  const half = (e.width / 2) as 8 | 16 | 32
  e.setReg(0, e.width, narrow(e.width, sign64(half, e.reg(0, half))))
}

const signFill: Emit = (e) => {
  const value = signExtend(e.width, e.reg(0, e.width))
  e.setReg(2, e.width, value.type === 'i64' ? i64.shr_s(value, i64.const(63)) : i32.shr_s(value, i32.const(31)))
}

const loadFlags: Emit = (e) => {
  const image = i32.or(e.arithmeticFlags(), i32.const(2))
  const ah = i32.shl(i32.and(image, i32.const(0xd7)), i32.const(8))
  e.setReg(0, 16, i32.or(i32.and(e.reg(0, 16) as I32, i32.const(0xff)), ah))
}

const storeFlags: Emit = (e) => {
  const ah = i32.and(i32.shr_u(e.reg(0, 16) as I32, i32.const(8)), i32.const(0xd5))
  const kept = i32.and(e.arithmeticFlags(), i32.const(L.FLAG_OF))
  e.setArithmeticFlags(i32.or(ah, kept))
}

const CONDITIONS = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'] as const
const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0')

export const DATA: readonly Row[] = [
  row('MOV', '88 /r', 'Eb,Gb', move, { hot: true }),
  row('MOV', '89 /r', 'Ev,Gv', move, { hot: true }),
  row('MOV', '8A /r', 'Gb,Eb', move, { hot: true }),
  row('MOV', '8B /r', 'Gv,Ev', move, { hot: true }),
  row('MOV', 'A0', 'AL,Ob', move),
  row('MOV', 'A1', 'rAX,Ov', move),
  row('MOV', 'A2', 'Ob,AL', move),
  row('MOV', 'A3', 'Ov,rAX', move),
  row('MOV', 'B0+r', 'Zb,Ib', move),
  row('MOV', 'B8+r', 'Zv,Iv', move, { hot: true }),
  row('MOV', 'C6 /0', 'Eb,Ib', move, { hot: true }),
  row('MOV', 'C7 /0', 'Ev,Iz', move, { hot: true }),
  row('MOVZX', '0F B6 /r', 'Gv,Eb', moveZero, { hot: true }),
  row('MOVZX', '0F B7 /r', 'Gv,Ew', moveZero, { hot: true }),
  row('MOVSX', '0F BE /r', 'Gv,Eb', moveSign, { hot: true }),
  row('MOVSX', '0F BF /r', 'Gv,Ew', moveSign),
  row('MOVSXD', '63 /r o64', 'Gv,Ez', moveSign, { hot: true }),
  row('MOVBE', '0F 38 F0 /r !mod3', 'Gv,Mv', moveBigEndian, { feature: 'movbe' }),
  row('MOVBE', '0F 38 F1 /r !mod3', 'Mv,Gv', moveBigEndian, { feature: 'movbe' }),
  row('XCHG', '86 /r', 'Eb,Gb', exchange, { lock: true }),
  row('XCHG', '87 /r', 'Ev,Gv', exchange, { lock: true }),
  // 90 is NOP and not XCHG EAX, EAX, which would clear the upper half; with REX.B it is XCHG rAX, r8.
  row('NOP', '90 REX.B0', '', () => {}, { hot: true }),
  row('XCHG', '90+r', 'Zv,rAX', exchange),
  row('LEA', '8D /r !mod3', 'Gv,M', lea, { hot: true }),
  row('BSWAP', '0F C8+r', 'Zv', byteSwap),
  ...CONDITIONS.map((name, code) => row(`CMOV${name}`, `0F ${hex(0x40 + code)} /r`, 'Gv,Ev', conditionalMove(code as ConditionCode))),
  ...CONDITIONS.map((name, code) => row(`SET${name}`, `0F ${hex(0x90 + code)} /r`, 'Eb', setOn(code as ConditionCode))),
  row('PUSH', '50+r d64', 'Zv', pushOperand, { hot: true }),
  row('POP', '58+r d64', 'Zv', popOperand, { hot: true }),
  row('PUSH', '68 d64', 'Iz', pushOperand),
  row('PUSH', '6A d64', 'Ibs', pushOperand),
  row('PUSH', 'FF /6 d64', 'Ev', pushOperand),
  row('POP', '8F /0 d64', 'Ev', popOperand, { addressAfterPop: true }),
  row('PUSHA', '60 i64', '', host('pusha')),
  row('POPA', '61 i64', '', host('popa')),
  row('ENTER', 'C8 d64', 'Iw,Ib', host('enter')),
  row('LEAVE', 'C9 d64', '', leave, { hot: true }),
  row('CBW', '98', '', signExtendAccumulator, { hot: true }),
  row('CWD', '99', '', signFill),
  row('LAHF', '9F', '', loadFlags),
  row('SAHF', '9E', '', storeFlags),
  row('XLAT', 'D7', '', translate),
]

import { i32, i64 } from '@entresol/wasm-builder'
import { CR4_FSGSBASE, EFER_LMA, EFER_SCE } from '@entresol/x86'
import type { Emitter, I32, I64 } from '../emit/emitter.ts'
import * as L from '../state/layout.ts'
import { row } from './row.ts'
import type { Emit, Row } from './row.ts'

/**
 * System instructions kernels run all the time, as 64-bit systems use them; what has more to it goes to the TypeScript function of the same
 * name (system/), which knows all cases.
 */
const U = { unobservable: true } as const
const ENDS = { unobservable: true, ends: true } as const

/** Attributes of the flat segments SYSCALL, SYSRET, SYSENTER and SYSEXIT load without looking at descriptors (SDM vol. 2B). */
const CODE64 = 0xa9b
const CODE32 = 0xc9b
const DATA = 0xc93
/** SEG_PERMISSIONS of them. */
const READABLE = 1
const READ_WRITE = 3 | L.SEG_FLAT

const both = (...conditions: I32[]): I32 => conditions.reduce((a, b) => i32.and(a, b))
const has = (e: Emitter, field: number, bit: number): I32 => i32.ne(i32.and(e.field32(field), i32.const(bit)), i32.const(0))
const clear = (e: Emitter, field: number, bits: number): I32 => i32.eqz(i32.and(e.field32(field), i32.const(bits)))

function loadFlat(e: Emitter, index: number, selector: I32, attributes: number, permissions: number): void {
  const at = L.segment(index)
  e.setField64(at + L.SEG_BASE, i64.const(0))
  e.setField32(at + L.SEG_LIMIT, i32.const(-1))
  e.setField32(at + L.SEG_SELECTOR, selector)
  e.setField32(at + L.SEG_ATTRIBUTES, i32.const(attributes))
  e.setField32(at + L.SEG_FIRST, i32.const(0))
  e.setField32(at + L.SEG_LAST, i32.const(-1))
  e.setField32(at + L.SEG_PERMISSIONS, i32.const(permissions))
}

/** CS, SS and CPL; the mode stays, so of what is derived from it only TLB set and code page change. */
function enterLevel(e: Emitter, attributes: number, code: I32, stack: I32, level: 0 | 3, set: I32): void {
  loadFlat(e, L.SEG_CS, code, attributes | (level << 5), READABLE)
  loadFlat(e, L.SEG_SS, stack, DATA | (level << 5), READ_WRITE)
  e.setField32(L.CPL, i32.const(level))
  e.setField32(L.TLB_BASE, i32.add(i32.add(e.cpu, i32.const(L.TLB)), i32.mul(set, i32.const(L.TLB_SET_BYTES))))
  e.setField64(L.PAGE_LINEAR, i64.const(-1))
}

/** EFLAGS as loaded: every bit from `image`. */
function loadFlags(e: Emitter, image: I32): void {
  e.setArithmeticFlags(image)
  e.setField32(L.EFLAGS, i32.or(i32.and(image, i32.const(0x3f7700)), i32.const(2)))
}

/** 64-bit mode; single step has rules of its own. */
const syscall: Emit = (e) => {
  const common = both(e.is64(), has(e, L.EFER, EFER_SCE), clear(e, L.EFLAGS, L.FLAG_TF))
  e.b.if(common, () => {
    const { b } = e
    const old = b.let(i32.and(i32.or(e.field32(L.EFLAGS), e.arithmeticFlags()), i32.const(~L.FLAG_RF)))
    const next = b.let(e.nextRip())
    const flags = b.let(i32.and(old, i32.xor(e.field32(L.SFMASK), i32.const(-1))))
    e.setReg(1, 64, next)
    e.setReg(11, 64, i64.extend_i32_u(old))
    loadFlags(e, flags)
    const selector = b.let(i32.and(e.field32(L.STAR + 4), i32.const(0xfffc)))
    const alignment = i32.and(i32.shr_u(flags, i32.const(18)), i32.const(1))
    enterLevel(e, CODE64, selector, i32.add(selector, i32.const(8)), 0, alignment)
    e.jump(b.let(e.field64(L.LSTAR)))
  }, () => e.host('syscall'))
}

/** To 64-bit code, with flags that ask for nothing special and no interrupt waiting for IF. */
const sysret: Emit = (e) => {
  if (e.width !== 64) {
    e.host('sysret')
    return
  }
  const { b } = e
  const flags = b.let(i32.wrap_i64(e.reg(11, 64) as I64))
  const target = e.reg(1, 64) as I64
  const shift = e.field64(L.CANONICAL_SHIFT)
  const canonical = i64.eq(i64.shr_s(i64.shl(target, shift), shift), target)
  const plain = i32.eqz(i32.and(flags, i32.const(L.FLAG_TF | L.FLAG_AC)))
  const quiet = i32.eqz(i32.and(e.field32(L.INTERRUPT_PENDING), i32.and(i32.shr_u(flags, i32.const(9)), i32.const(1))))
  e.b.if(both(e.is64(), has(e, L.EFER, EFER_SCE), i32.eqz(e.field32(L.CPL)), canonical, plain, quiet), () => {
    loadFlags(e, b.let(i32.and(flags, i32.const(0x3c7fd7))))
    const selector = b.let(i32.load16_u(e.cpu, L.STAR + 6))
    const code = i32.or(i32.and(i32.add(selector, i32.const(16)), i32.const(0xfffc)), i32.const(3))
    const stack = i32.or(i32.and(i32.add(selector, i32.const(8)), i32.const(0xffff)), i32.const(3))
    enterLevel(e, CODE64, code, stack, 3, i32.const(L.TLB_USER))
    e.jump(target)
  }, () => e.host('sysret'))
}

/** Between flat 32-bit code of both levels. */
const flat32 = (e: Emitter): I32 =>
  both(i32.eq(e.field32(L.CODE_MODE), i32.const(L.MODE_32 | L.MODE_FLAT)), clear(e, L.EFER, EFER_LMA), has(e, L.SYSENTER_CS, 0xfffc))

const sysenter: Emit = (e) => {
  e.b.if(flat32(e), () => {
    const { b } = e
    const flags = b.let(i32.and(e.field32(L.EFLAGS), i32.const(~(L.FLAG_VM | L.FLAG_IF | L.FLAG_RF))))
    e.setField32(L.EFLAGS, flags)
    e.setReg(4, 32, e.field32(L.SYSENTER_ESP))
    const selector = b.let(i32.and(e.field32(L.SYSENTER_CS), i32.const(0xfffc)))
    const alignment = i32.and(i32.shr_u(flags, i32.const(18)), i32.const(1))
    enterLevel(e, CODE32, selector, i32.add(selector, i32.const(8)), 0, alignment)
    e.jump(b.let(i64.load32_u(e.cpu, L.SYSENTER_EIP)))
  }, () => e.host('sysenter'))
}

const sysexit: Emit = (e) => {
  if (e.width === 64) {
    e.host('sysexit')
    return
  }
  e.b.if(both(flat32(e), i32.eqz(e.field32(L.CPL)), clear(e, L.EFLAGS, L.FLAG_AC)), () => {
    const { b } = e
    const target = b.let(i64.extend_i32_u(e.reg(2, 32) as I32))
    e.setReg(4, 32, e.reg(1, 32))
    const code = b.let(i32.add(e.field32(L.SYSENTER_CS), i32.const(16)))
    const stack = i32.or(i32.and(i32.add(i32.and(code, i32.const(0xfffc)), i32.const(8)), i32.const(0xffff)), i32.const(3))
    enterLevel(e, CODE32, i32.or(i32.and(code, i32.const(0xfffc)), i32.const(3)), stack, 3, i32.const(L.TLB_USER))
    e.jump(target)
  }, () => e.host('sysexit'))
}

const GS_BASE = L.segment(L.SEG_GS) + L.SEG_BASE

const swapgs: Emit = (e) => {
  e.raiseIf(e.field32(L.CPL), 13, 0)
  const base = e.b.let(e.field64(GS_BASE))
  e.setField64(GS_BASE, e.b.let(e.field64(L.KERNEL_GS_BASE)))
  e.setField64(L.KERNEL_GS_BASE, base)
}

/** RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: 64-bit mode with CR4.FSGSBASE. */
const readBase = (segment: number): Emit => (e) => {
  e.raiseIf(clear(e, L.CR4, CR4_FSGSBASE), 6)
  const base = e.b.let(e.field64(L.segment(segment) + L.SEG_BASE))
  e.set(0, e.widthOf(0) === 64 ? base : i32.wrap_i64(base))
}

const writeBase = (segment: number): Emit => (e) => {
  e.raiseIf(clear(e, L.CR4, CR4_FSGSBASE), 6)
  const value = e.get(0)
  const base = e.b.let(value.type === 'i64' ? value : i64.extend_i32_u(value))
  const shift = e.field64(L.CANONICAL_SHIFT)
  e.raiseIf(i64.ne(i64.shr_s(i64.shl(base, shift), shift), base), 13, 0)
  e.setField64(L.segment(segment) + L.SEG_BASE, base)
}

/** The instruction behind STI comes before any interrupt: INTERRUPT_SHADOW says which it is. One that waits already ends the slice there. */
const setInterrupts: Emit = (e) => {
  const flags = e.b.let(e.field32(L.EFLAGS))
  const iopl = i32.and(i32.shr_u(flags, i32.const(12)), i32.const(3))
  const special = i32.or(i32.gt_u(e.field32(L.CPL), iopl), i32.or(i32.and(flags, i32.const(L.FLAG_VM)), e.field32(L.INTERRUPT_PENDING)))
  e.b.if(special, () => e.host('sti'), () => {
    e.b.if(i32.eqz(i32.and(flags, i32.const(L.FLAG_IF))), () => e.setField64(L.INTERRUPT_SHADOW, e.nextRip()))
    e.setField32(L.EFLAGS, i32.or(flags, i32.const(L.FLAG_IF)))
  })
}

/** MOV from a segment register: its selector, 16 bits to memory, zero-extended to a register. */
const moveFromSegment: Emit = (e) => {
  const index = e.get(1) as I32
  e.b.if(i32.gt_u(index, i32.const(L.SEG_GS)), () => e.raise(6))
  const selector = e.b.let(i32.load(i32.add(e.cpu, i32.mul(index, i32.const(L.SEGMENT_SIZE))), L.SEGMENTS + L.SEG_SELECTOR))
  if (e.isMemory(0)) {
    const address = e.writeAddress(2)
    e.b.store('i32_16', address, 0, selector)
    e.commit(address)
  } else e.set(0, e.widthOf(0) === 64 ? i64.extend_i32_u(selector) : selector)
}

const pushSegment = (index: number): Emit => (e) => {
  const selector = e.field32(L.segment(index) + L.SEG_SELECTOR)
  e.push(e.width, e.width === 64 ? i64.extend_i32_u(selector) : selector)
}

/** MOV from CR0, CR2, CR3 and CR4 at CPL 0. */
const moveFromControl: Emit = (e) => {
  const index = e.b.let(e.get(1) as I32)
  const plain = both(e.is64(), i32.eqz(e.field32(L.CPL)), i32.le_u(index, i32.const(4)), i32.ne(index, i32.const(1)))
  e.b.if(plain, () => {
    // CR1 has no cell.
    const cell = i32.shl(i32.sub(index, i32.gt_u(index, i32.const(1))), i32.const(3))
    e.set(0, e.b.let(i64.load(i32.add(e.cpu, cell), L.CR0)))
  }, () => e.host('mov-from-control'))
}

export const KERNEL_ROWS: readonly Row[] = [
  row('SYSCALL', '0F 05', '', syscall, { ...ENDS, feature: 'syscall', intercept: 'syscall' }),
  row('SYSRET', '0F 07', '', sysret, { ...ENDS, feature: 'syscall' }),
  row('SYSENTER', '0F 34', '', sysenter, { ...ENDS, feature: 'sep', intercept: 'sysenter' }),
  row('SYSEXIT', '0F 35', '', sysexit, { ...ENDS, feature: 'sep' }),
  row('SWAPGS', '0F 01 /7 rm=0 o64', '', swapgs, U),
  row('RDFSBASE', 'F3 0F AE /0 mod3 o64', 'Ry', readBase(L.SEG_FS), { ...U, feature: 'fsgsbase' }),
  row('RDGSBASE', 'F3 0F AE /1 mod3 o64', 'Ry', readBase(L.SEG_GS), { ...U, feature: 'fsgsbase' }),
  row('WRFSBASE', 'F3 0F AE /2 mod3 o64', 'Ry', writeBase(L.SEG_FS), { ...U, feature: 'fsgsbase' }),
  row('WRGSBASE', 'F3 0F AE /3 mod3 o64', 'Ry', writeBase(L.SEG_GS), { ...U, feature: 'fsgsbase' }),
  row('STI', 'FB', '', setInterrupts, U),
  row('PUSH', '06 i64', '', pushSegment(L.SEG_ES), U),
  row('PUSH', '0E i64', '', pushSegment(L.SEG_CS), U),
  row('PUSH', '16 i64', '', pushSegment(L.SEG_SS), U),
  row('PUSH', '1E i64', '', pushSegment(L.SEG_DS), U),
  row('PUSH', '0F A0 d64', '', pushSegment(L.SEG_FS), U),
  row('PUSH', '0F A8 d64', '', pushSegment(L.SEG_GS), U),
  row('MOV', '8C /r', 'Ev,Sw', moveFromSegment, U),
  row('MOV', '0F 20 /r', 'Rq,Cq', moveFromControl, U),
]

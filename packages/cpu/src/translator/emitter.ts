import { callExpr, constantOf, globalExpr, i32, i64, simd, v128 } from '@entresol/wasm-builder'
import type { Expr, FunctionBuilder, I32, I64, V128 } from '@entresol/wasm-builder'
import type { DecodedInstruction } from '../decode/decoder.ts'
import type { OperandForm } from '../decode/operands.ts'
import { narrow, zero64 } from '../emit/arithmetic.ts'
import type { ConditionCode, Emitter, Int, StringAccess, Width } from '../emit/emitter.ts'
import { lockedModify, lockedModifyPair } from '../emit/locked.ts'
import { loadInt, storeInt } from '../emit/operand-access.ts'
import * as L from '../state/layout.ts'
import type { LazyFlags } from './lazy-flags.ts'
import type { RegionLocals } from './locals.ts'
import type { MemoryStrategy } from './memory-access.ts'
import type { SymbolicAddress } from './page-windows.ts'

/** Function and global indices of the region's module. */
export interface RegionFunctions {
  /** The memory is shared with other processors: LOCK means something. */
  readonly shared: boolean
  helper(name: string): number
  helperGlobal(name: string): number
}

/** How an instruction leaves straight execution. */
export interface InstructionExits {
  /** Leaves the region at this instruction: the interpreter carries it out and raises what it raises. */
  bail(): void
  /** Control goes on at the relative target of this instruction. */
  branch(): void
  /** Control goes on at a computed RIP. */
  jump(rip: I64): void
  /** The instruction again, unless the slice is over. */
  repeat(): void
}

/** What the instructions of a basic block share. */
export interface BlockContext {
  readonly f: FunctionBuilder
  readonly cpu: I32
  readonly locals: RegionLocals
  readonly memory: MemoryStrategy
  readonly functions: RegionFunctions
  readonly flags: LazyFlags
  /** Register units checked in this block already. */
  readonly units: Set<string>
  readonly mode64: boolean
  /** The arm of control flow the block is in: what happens in another one may not happen. */
  readonly arm: number
}

const ADDRESS_32 = 0xffffffffn
const vectorNumber = (cell: number): number => (cell - L.YMM) >> 5

/** Emits one instruction of a region: what the interpreter reads from a record is a constant here, guest registers are locals. */
export class RegionEmitter implements Emitter {
  readonly b: FunctionBuilder
  readonly cpu: I32
  readonly width: Width
  readonly vectorLength: 128 | 256
  readonly vex: boolean
  readonly rep: 'none' | 'rep' | 'repne'
  readonly #c: BlockContext
  readonly #i: DecodedInstruction
  /** Offset of the instruction in its page. */
  readonly #offset: number
  readonly #exits: InstructionExits
  #linearOnce: I64 | undefined
  #vectorAddress: I32 | undefined
  #displacement: I64 | undefined

  constructor(context: BlockContext, instruction: DecodedInstruction, offset: number, exits: InstructionExits) {
    this.b = context.f
    this.cpu = context.cpu
    this.#c = context
    this.#i = instruction
    this.#offset = offset
    this.#exits = exits
    const { variant } = instruction
    this.width = variant.width
    this.vectorLength = variant.vectorBytes === 32 ? 256 : 128
    this.vex = variant.row.encoding.startsWith('VEX')
    this.rep = variant.repeat
  }

  #form(operand: number): OperandForm {
    return this.#i.variant.operands[operand]!
  }

  isMemory(operand: number): boolean {
    const { kind } = this.#form(operand)
    return kind === 'memory' || kind === 'moffs'
  }

  widthOf(operand: number): Width {
    return this.#form(operand).width
  }

  // General registers

  /** A register by its state offset: byte 1 of a cell is AH, CH, DH or BH. */
  #read(cell: number, width: Width): Int {
    const value = this.#c.locals.register((cell - L.REGS) >> 3)
    return this.b.let(narrow(width, cell & 1 ? i64.shr_u(value, i64.const(8)) : value))
  }

  #write(cell: number, width: Width, value: Int): void {
    const { locals } = this.#c
    const number = (cell - L.REGS) >> 3
    if (width >= 32) {
      locals.setRegister(number, width === 32 && value.type === 'i64' ? i64.and(value, i64.const(ADDRESS_32)) : zero64(value))
      return
    }
    const shift = cell & 1 ? 8n : 0n
    const bits = width === 8 ? 0xffn : 0xffffn
    const part = i64.shl(i64.and(zero64(value), i64.const(bits)), i64.const(shift))
    locals.setRegister(number, i64.or(i64.and(locals.register(number), i64.const(~(bits << shift))), part))
  }

  #cell(field: 'rm' | 'reg' | 'vvvv'): number {
    return this.#i[field]
  }

  get(operand: number): Int {
    const form = this.#form(operand)
    switch (form.kind) {
      case 'gpr': return this.#read(this.#cell(form.field), form.width)
      case 'fixed': return this.reg(form.number, form.width)
      case 'constant': return i32.const(form.value)
      case 'stack': return i32.const(this.#i.rm)
      case 'immediate': return form.width === 64 ? i64.const(this.#i.immediate) : i32.const(BigInt.asIntN(32, BigInt.asUintN(form.width, this.#i.immediate)))
      case 'memory': case 'moffs': return this.b.let(loadInt(form.width, this.readAddress(form.width / 8), 0))
      default: return i32.const(this.#i.reg)
    }
  }

  set(operand: number, value: Int): void {
    const form = this.#form(operand)
    if (form.kind === 'gpr') this.#write(this.#cell(form.field), form.width, value)
    else if (form.kind === 'fixed') this.setReg(form.number, form.width, value)
    else {
      const bound = this.b.let(value)
      storeInt(this.b, form.width, this.writeAddress(form.width / 8), 0, bound)
    }
  }

  modify(operand: number, compute: (old: Int) => Int, alwaysLocked = false): void {
    const form = this.#form(operand)
    if (form.kind !== 'memory') {
      this.set(operand, compute(this.get(operand)))
      return
    }
    const address = this.modifyAddress(form.width / 8)
    if (this.#c.functions.shared && (this.#i.lock || alwaysLocked)) lockedModify(this.b, form.width, address, undefined, compute)
    else storeInt(this.b, form.width, address, 0, compute(this.b.let(loadInt(form.width, address, 0))))
  }

  modifyPair(half: 32 | 64, compute: (low: Int, high: Int) => readonly [low: Int, high: Int]): void {
    const bytes = half / 8
    const address = this.modifyAddress(2 * bytes)
    if (this.#c.functions.shared && this.#i.lock) {
      lockedModifyPair(this.b, half, address, undefined, compute)
      return
    }
    const [low, high] = compute(this.b.let(loadInt(half, address, 0)), this.b.let(loadInt(half, address, bytes)))
    storeInt(this.b, half, address, 0, low)
    storeInt(this.b, half, address, bytes, high)
  }

  reg(number: number, width: Width): Int {
    return this.#read(L.REGS + number * 8, width)
  }

  setReg(number: number, width: Width, value: Int): void {
    this.#write(L.REGS + number * 8, width, value)
  }

  // Addresses

  #maskAddress(value: I64): I64 {
    const { addressSize } = this.#i
    return addressSize === 64 ? value : i64.and(value, i64.const(addressSize === 32 ? ADDRESS_32 : 0xffffn))
  }

  /** The constant part of the address. */
  #displacementOf(): bigint {
    const i = this.#i
    let displacement = BigInt(i.displacement)
    if (i.ripRelative) displacement += BigInt(this.#offset + i.length)
    if (i.variant.row.options.addressAfterPop && i.base === L.REGS + 4 * 8) displacement += BigInt(this.width / 8)
    return displacement
  }

  effectiveAddress(): I64 {
    const i = this.#i
    const { locals } = this.#c
    if (i.moffs) return i64.const(i.immediate)
    const displacement = this.#displacementOf()
    let sum: I64 = i64.const(displacement)
    const base = i.ripRelative ? locals.pageRip.get : i.base === L.ZERO ? undefined : locals.register((i.base - L.REGS) >> 3)
    if (base) sum = displacement ? i64.add(base, sum) : base
    if (i.index !== L.ZERO) {
      const index = locals.register((i.index - L.REGS) >> 3)
      sum = i64.add(sum, i.scale ? i64.shl(index, i64.const(i.scale)) : index)
    }
    return this.b.let(this.#maskAddress(sum))
  }

  /** Linear address of `offset` in a segment; what a segment's limit or rights refuse is the interpreter's. */
  #segmented(segment: number, offset: I64, size: number, write: boolean): I64 {
    const { mode64 } = this.#c
    if (segment < L.SEG_FS) {
      // Code segments take no stores (SDM vol. 3, 5.8.1).
      if (write && segment === L.SEG_CS && !mode64) this.#exits.bail()
      return offset
    }
    const at = L.segment(segment)
    const base = i64.load(this.cpu, at + L.SEG_BASE)
    if (mode64) return this.b.let(i64.add(offset, base))
    const bound = this.b.let(offset)
    const refused = i32.eqz(i32.and(i32.load(this.cpu, at + L.SEG_PERMISSIONS), i32.const(write ? 2 : 1)))
    const outside = i32.or(i64.lt_u(bound, i64.load32_u(this.cpu, at + L.SEG_FIRST)),
      i64.gt_u(i64.add(bound, i64.const(size - 1)), i64.load32_u(this.cpu, at + L.SEG_LAST)))
    this.b.if(i32.or(refused, outside), () => this.#exits.bail(), undefined, { likely: false })
    return this.b.let(i64.and(i64.add(bound, base), i64.const(ADDRESS_32)))
  }

  #linear(size: number, write: boolean): I64 {
    if (this.#linearOnce) return this.#linearOnce
    let offset = this.effectiveAddress()
    if (this.#displacement) offset = this.b.let(this.#maskAddress(i64.add(offset, this.#displacement)))
    return this.#linearOnce = this.#segmented(this.#i.segment, offset, size, write)
  }

  #translate(linear: () => I64, size: number, write: boolean, symbolic?: SymbolicAddress): I32 {
    const windows = this.b.arm === this.#c.arm ? this.#c.locals.windows : undefined
    return this.#c.memory.address(this.b, { linear, symbolic, windows, size, write, bail: () => this.#exits.bail() })
  }

  /** The memory operand by what registers hold; undefined where address size, segment or displacement make it more than their sum. */
  #symbolic(offset: number): SymbolicAddress | undefined {
    const i = this.#i
    const { mode64, locals } = this.#c
    if (this.#displacement || i.moffs || i.segment >= L.SEG_FS || i.addressSize !== (mode64 ? 64 : 32) || i.variant.vsib) return undefined
    const base = i.ripRelative ? 'rip' : i.base === L.ZERO ? undefined : (i.base - L.REGS) >> 3
    const index = i.index === L.ZERO ? undefined : (i.index - L.REGS) >> 3
    return locals.windows.address(base, index, i.scale, Number(this.#displacementOf()) + offset)
  }

  #operandAddress(size: number, offset: number, write: boolean): I32 {
    // Stores through CS are refused in `#segmented`.
    const symbolic = write && this.#i.segment === L.SEG_CS ? undefined : this.#symbolic(offset)
    if (!symbolic) {
      const linear = this.#linear(size, write)
      return this.#translate(() => i64.add(linear, i64.const(offset)), size, write)
    }
    return this.#translate(() => i64.add(this.#linearOnce ?? this.effectiveAddress(), i64.const(offset)), size, write, symbolic)
  }

  readAddress(size: number, offset = 0): I32 {
    return this.#operandAddress(size, offset, false)
  }

  writeAddress(size: number, offset = 0): I32 {
    return this.#operandAddress(size, offset, true)
  }

  modifyAddress(size: number): I32 {
    return this.writeAddress(size)
  }

  displaceAddress(displacement: I64): void {
    this.#displacement = displacement
  }

  /** Stores that need more than a store never get here: they bail. */
  commit(): void {}

  requireAligned(bytes: number, write = false): void {
    const linear = this.#linear(bytes, write)
    this.b.if(i32.and(i32.wrap_i64(linear), i32.const(bytes - 1)), () => this.#exits.bail(), undefined, { likely: false })
  }

  immediate(): I64 {
    return i64.const(this.#i.immediate)
  }

  // Vectors

  #vector(form: OperandForm): number {
    const field = (form as { field: 'rm' | 'reg' | 'vvvv' | 'is4' }).field
    return vectorNumber(field === 'is4' ? Number(this.#i.immediate) : this.#i[field])
  }

  getV(operand: number, unaligned = false): V128 {
    const form = this.#form(operand)
    if (form.kind !== 'memory') return this.b.let(this.#c.locals.vector(this.#vector(form), 0))
    if (!unaligned && !this.vex) this.requireAligned(16)
    return this.b.let(v128.load(this.readAddress(16)))
  }

  getHalf(operand: number, half: 0 | 1): V128 {
    const form = this.#form(operand)
    if (form.kind !== 'memory') return this.b.let(this.#c.locals.vector(this.#vector(form), half))
    this.#vectorAddress ??= this.readAddress(32)
    return this.b.let(v128.load(this.#vectorAddress, half * 16))
  }

  getV32(operand: number): I32 {
    const form = this.#form(operand)
    return this.b.let(form.kind === 'memory' ? i32.load(this.readAddress(4)) : simd.extract('i32', 0x1b, this.#c.locals.vector(this.#vector(form), 0), 0))
  }

  getV64(operand: number): I64 {
    const form = this.#form(operand)
    return this.b.let(form.kind === 'memory' ? i64.load(this.readAddress(8)) : simd.extract('i64', 0x1d, this.#c.locals.vector(this.#vector(form), 0), 0))
  }

  setV(operand: number, value: V128, unaligned = false): void {
    const form = this.#form(operand)
    if (form.kind !== 'memory') {
      this.#setVector(this.#vector(form), value)
      return
    }
    const bound = this.b.let(value)
    if (!unaligned && !this.vex) this.requireAligned(16, true)
    this.b.store('v128', this.writeAddress(16), 0, bound)
  }

  #setVector(number: number, low: V128): void {
    this.#c.locals.setVector(number, 0, low)
    if (this.vex) this.#c.locals.zeroVector(number, 1)
  }

  setHalves(operand: number, low: V128, high: V128): void {
    const form = this.#form(operand)
    const [l, h] = [this.b.let(low), this.b.let(high)]
    if (form.kind !== 'memory') {
      const number = this.#vector(form)
      this.#c.locals.setVector(number, 0, l)
      this.#c.locals.setVector(number, 1, h)
      return
    }
    const address = this.writeAddress(32)
    this.b.store('v128', address, 0, l)
    this.b.store('v128', address, 16, h)
  }

  setV32(operand: number, value: I32, upper?: V128): void {
    this.#setLow(operand, value, 0x1c, upper)
  }

  setV64(operand: number, value: I64, upper?: V128): void {
    this.#setLow(operand, value, 0x1e, upper)
  }

  #setLow(operand: number, value: I32 | I64, replaceLane: number, upper?: V128): void {
    const form = this.#form(operand)
    const bound = this.b.let(value as Expr)
    if (form.kind === 'memory') {
      this.b.store(bound.type as 'i32' | 'i64', this.writeAddress(bound.type === 'i32' ? 4 : 8), 0, bound)
      return
    }
    const number = this.#vector(form)
    this.#setVector(number, simd.replace(replaceLane, upper ?? this.#c.locals.vector(number, 0), 0, bound))
  }

  getM(operand: number): I64 {
    const form = this.#form(operand)
    if (form.kind !== 'memory') return this.b.let(i64.load(this.cpu, this.#cell((form as { field: 'rm' | 'reg' }).field)))
    return this.b.let(form.bytes === 4 ? i64.load32_u(this.readAddress(4)) : i64.load(this.readAddress(8)))
  }

  setM(operand: number, value: I64): void {
    const form = this.#form(operand)
    const bound = this.b.let(value)
    if (form.kind === 'memory') {
      this.b.store('i64', this.writeAddress(8), 0, bound)
      return
    }
    const cell = this.#cell((form as { field: 'rm' | 'reg' }).field)
    this.b.store('i64', this.cpu, cell, bound)
    // An MMX write sets the register's exponent and sign to ones (SDM vol. 1, 9.5.1).
    this.b.store('i32_16', this.cpu, cell + 8, i32.const(0xffff))
  }

  setVectorHalf(number: number, half: 0 | 1, value: V128): void {
    this.#c.locals.setVector(number, half, value)
  }

  field32(offset: number): I32 {
    if (offset >= L.YMM && offset < L.MXCSR) {
      return simd.extract('i32', 0x1b, this.#c.locals.vector(vectorNumber(offset), (offset >> 4) & 1), (offset >> 2) & 3)
    }
    return i32.load(this.cpu, offset)
  }

  field64(offset: number): I64 {
    if (offset < L.ZERO) return this.#c.locals.register((offset - L.REGS) >> 3)
    if (offset >= L.YMM && offset < L.MXCSR) {
      return simd.extract('i64', 0x1d, this.#c.locals.vector(vectorNumber(offset), (offset >> 4) & 1), (offset >> 3) & 1)
    }
    return i64.load(this.cpu, offset)
  }

  setField32(offset: number, value: I32): void {
    this.b.store('i32', this.cpu, offset, value)
    if (offset !== L.TLB_BASE) return
    this.b.set(this.#c.locals.tlb, i32.load(this.cpu, L.TLB_BASE))
    this.#c.locals.windows.forget()
  }

  setField64(offset: number, value: I64): void {
    if (offset < L.ZERO) this.#c.locals.setRegister((offset - L.REGS) >> 3, value)
    else this.b.store('i64', this.cpu, offset, value)
  }

  requireUnit(unit: 'x87' | 'mmx' | 'sse' | 'avx'): void {
    const { units } = this.#c
    if (!units.has(unit)) {
      units.add(unit)
      const bit = { x87: L.UNIT_X87, mmx: L.UNIT_MMX, sse: L.UNIT_SSE, avx: L.UNIT_AVX }[unit]
      this.b.if(i32.eqz(i32.and(i32.load(this.cpu, L.UNITS), i32.const(bit))), () => this.#exits.bail(), undefined, { likely: false })
    }
    // The status word's summary bit: an unmasked exception waits (SDM vol. 1, 8.6).
    if (unit === 'x87' || unit === 'mmx') this.b.if(i32.and(i32.load(this.cpu, L.FPU_STATUS), i32.const(0x80)), () => this.#exits.bail(), undefined, { likely: false })
  }

  // Flags

  flagsAdd(width: Width, a: Int, b: Int): void { this.#c.flags.add(width, a, b) }
  flagsAdc(width: Width, a: Int, b: Int, result: Int, carryIn: I32): void { this.#c.flags.words(false, (f) => f.adc(width, a, b, result, carryIn)) }
  flagsSub(width: Width, a: Int, b: Int): void { this.#c.flags.sub(width, a, b) }
  flagsSbb(width: Width, a: Int, b: Int, result: Int, borrowIn: I32): void { this.#c.flags.words(false, (f) => f.sbb(width, a, b, result, borrowIn)) }
  flagsLogic(width: Width, result: Int): void { this.#c.flags.logic(result, width) }
  flagsInc(width: Width, result: Int): void { this.#c.flags.incDec(width, result, true) }
  flagsDec(width: Width, result: Int): void { this.#c.flags.incDec(width, result, false) }
  flagsSet(width: Width, result: Int, cf: I32, of: I32, af?: I32): void { this.#c.flags.words(false, (f) => f.set(width, result, cf, of, af)) }
  setArithmeticFlags(image: I32): void { this.#c.flags.words(false, (f) => f.setImage(this.b.let(image))) }
  setCarry(value: I32): void { this.#c.flags.words(true, (f) => f.setCarry(value)) }
  setCarryOverflow(cf: I32, of: I32): void { this.#c.flags.words(true, (f) => f.setCarryOverflow(cf, of)) }
  arithmeticFlags(): I32 { return this.#c.flags.image() }
  carry(): I32 { return this.#c.flags.carry() }
  condition(code: ConditionCode): I32 { return this.#c.flags.condition(code) }

  // Control

  is64(): I32 {
    return i32.const(this.#c.mode64 ? 1 : 0)
  }

  #ripAt(offset: number | bigint): I64 {
    const rip = i64.add(this.#c.locals.pageRip.get, i64.const(offset))
    return this.#c.mode64 ? rip : i64.and(rip, i64.const(ADDRESS_32))
  }

  rip(): I64 {
    return this.#ripAt(this.#offset)
  }

  x87Opcode(): I32 {
    return i32.const(this.#i.reg)
  }

  nextRip(): I64 {
    return this.#ripAt(this.#offset + this.#i.length)
  }

  branchTarget(): I64 {
    return this.#ripAt(BigInt(this.#offset + this.#i.length) + this.#i.immediate)
  }

  requireTarget(rip: I64): void {
    // A flat code segment of 4 GiB refuses no 32-bit target, and a region is not entered where its relative targets are not canonical.
    if (!this.#c.mode64 || this.#relative) return
    // 48 bits, sign-extended; the interpreter knows whether there are more.
    this.b.if(i64.ne(i64.shr_u(i64.add(rip, i64.const(1n << 47n)), i64.const(48)), i64.const(0)), () => this.#exits.bail(), undefined, { likely: false })
  }

  get #relative(): boolean {
    return this.#i.variant.operands.some((o) => o.kind === 'relative')
  }

  jump(rip: I64): void {
    if (this.#relative) this.#exits.branch()
    else this.#exits.jump(rip)
  }

  branchIf(condition: I32): void {
    this.b.if(condition, () => {
      this.requireTarget(this.branchTarget())
      this.#exits.branch()
    })
  }

  raise(): void {
    this.#exits.bail()
  }

  raiseIf(condition: I32): void {
    this.b.if(condition, () => this.#exits.bail(), undefined, { likely: false })
  }

  #stackPointer(value: I64): I64 {
    return this.#c.mode64 ? value : i64.and(value, i64.const(ADDRESS_32))
  }

  push(width: Width, value: Int, check?: () => void): void {
    const bytes = width / 8
    const { locals } = this.#c
    const bound = this.b.let(value)
    const top = this.b.let(this.#stackPointer(i64.sub(locals.register(4), i64.const(bytes))))
    const address = this.#translate(() => top, bytes, true, locals.windows.address(4, undefined, 0, -bytes))
    check?.()
    storeInt(this.b, width, address, 0, bound)
    locals.moveRegister(4, top, -bytes)
  }

  peek(width: Width, offset = 0): Int {
    const { locals } = this.#c
    const pointer = (): I64 => this.#stackPointer(i64.add(locals.register(4), i64.const(offset)))
    return this.b.let(loadInt(width, this.#translate(pointer, width / 8, false, locals.windows.address(4, undefined, 0, offset)), 0))
  }

  loadStack(width: Width, pointer: I64): Int {
    return this.b.let(loadInt(width, this.#translate(() => pointer, width / 8, false), 0))
  }

  dropStack(bytes: I64): void {
    const { locals } = this.#c
    const moved = this.#stackPointer(i64.add(locals.register(4), bytes))
    const constant = constantOf(bytes)
    if (constant === undefined) locals.setRegister(4, moved)
    else locals.moveRegister(4, moved, Number(constant))
  }

  repeat(): void {
    this.#exits.repeat()
  }

  /** What TypeScript carries out is reached through the interpreter. */
  host(): void {
    this.#exits.bail()
  }

  helper<T extends 'i32' | 'i64'>(name: string, type: T, ...args: Expr[]): Expr<T> {
    return this.b.let(callExpr(type, this.#c.functions.helper(name), args))
  }

  helperVoid(name: string, ...args: Expr[]): void {
    this.b.call(this.#c.functions.helper(name), ...args)
  }

  helperGlobal<T extends 'i32' | 'i64'>(name: string, type: T): Expr<T> {
    return globalExpr(type, this.#c.functions.helperGlobal(name))
  }

  setHelperGlobal(name: string, value: Expr): void {
    this.b.setGlobal(this.#c.functions.helperGlobal(name), value)
  }

  // Strings

  get strings(): StringAccess {
    const { locals, mode64 } = this.#c
    const masked = (number: number): I64 => this.b.let(this.#maskAddress(locals.register(number)))
    return {
      pointer: masked,
      advance: (number, delta) => {
        const moved = i64.add(locals.register(number), delta)
        if (this.#i.addressSize !== 16) locals.setRegister(number, this.#maskAddress(moved))
        else locals.setRegister(number, i64.or(i64.and(locals.register(number), i64.const(-65536n)), i64.and(moved, i64.const(0xffff))))
      },
      sourceAddress: (size, pointer) => {
        const linear = this.#segmented(this.#i.segment, pointer ? this.b.let(this.#maskAddress(pointer)) : masked(6), size, false)
        return this.#translate(() => linear, size, false)
      },
      destinationAddress: (size, write) => {
        const linear = this.#segmented(mode64 ? L.SEG_DS : L.SEG_ES, masked(7), size, write)
        return this.#translate(() => linear, size, write)
      },
    }
  }
}


import { i32, i64, callExpr } from '@entresol/wasm-builder'
import type { Expr, FunctionBuilder, I32, I64, Local, V128 } from '@entresol/wasm-builder'
import { CodedError } from '@entresol/kit'
import type { DecodedInstruction } from '../decode/decoder.ts'
import type { OperandForm } from '../decode/operands.ts'
import { narrow, zero64 } from '../emit/arithmetic.ts'
import type { ConditionCode, Emitter, Int, StringAccess, Width } from '../emit/emitter.ts'
import { Flags } from '../emit/flags.ts'
import { loadInt, storeInt } from '../emit/operand-access.ts'
import { tlbAccess } from '../emit/tlb-access.ts'
import { SLOW_MODIFY, SLOW_STACK, SLOW_WRITE } from '../interpreter/records.ts'
import * as L from '../state/layout.ts'

/** Guest registers and flags of a translated block: WebAssembly locals, read and written as the instructions do. */
export interface BlockLocals {
  readonly registers: readonly Local<'i64'>[]
  readonly flagsResult: Local<'i64'>
  readonly flagsAux: Local<'i32'>
}

export interface BlockExits {
  /** (instruction RIP offset, access) → address or 0: linear address in HOST_VALUE. */
  readonly slow: number
  readonly commit: number
  readonly raise: number
  /** Writes locals back and leaves with RIP at this instruction. */
  fault(): void
  /** Writes locals back and leaves with RIP there. */
  jump(rip: I64): void
}

/** Absent from this first slice: such an instruction ends the block before it, and the interpreter takes it. */
const absent = (what: string): never => {
  throw new CodedError('not-translatable', `${what} is not translated yet`)
}

/** Emits one instruction of a translated block in 64-bit mode: everything the interpreter reads from a record is a constant here. */
export class TranslatorEmitter implements Emitter {
  readonly b: FunctionBuilder
  readonly cpu: I32
  readonly width: Width
  readonly vectorLength: 128 | 256
  readonly vex = false
  readonly rep: 'none' | 'rep' | 'repne'
  readonly #i: DecodedInstruction
  readonly #rip: bigint
  readonly #locals: BlockLocals
  readonly #exits: BlockExits
  readonly #flags: Flags
  #displacement: I64 | undefined

  constructor(b: FunctionBuilder, cpu: I32, instruction: DecodedInstruction, rip: bigint, locals: BlockLocals, exits: BlockExits) {
    this.b = b
    this.cpu = cpu
    this.#i = instruction
    this.#rip = rip
    this.#locals = locals
    this.#exits = exits
    this.width = instruction.variant.width
    this.vectorLength = instruction.variant.vectorBytes === 32 ? 256 : 128
    this.rep = instruction.variant.repeat
    this.#flags = new Flags(b, {
      aux: locals.flagsAux.get, result: locals.flagsResult.get,
      setAux: (value) => b.set(locals.flagsAux, value),
      setResult: (value) => b.set(locals.flagsResult, value),
    })
  }

  #form(operand: number): OperandForm {
    return this.#i.variant.operands[operand]!
  }

  isMemory(operand: number): boolean {
    return this.#form(operand).kind === 'memory'
  }

  widthOf(operand: number): Width {
    return this.#form(operand).width
  }

  /** A register by its state offset: byte 1 of a cell is AH, CH, DH or BH. */
  #read(cell: number, width: Width): Int {
    const local = this.#locals.registers[(cell - L.REGS) >> 3]!
    const value = cell & 1 ? i64.shr_u(local.get, i64.const(8)) : local.get
    return this.b.let(narrow(width, value))
  }

  #write(cell: number, width: Width, value: Int): void {
    const local = this.#locals.registers[(cell - L.REGS) >> 3]!
    if (width >= 32) {
      this.b.set(local, value.type === 'i64' ? value : i64.extend_i32_u(value))
      return
    }
    const shift = cell & 1 ? 8n : 0n
    const bits = width === 8 ? 0xffn : 0xffffn
    const part = i64.shl(i64.and(zero64(value), i64.const(bits)), i64.const(shift))
    this.b.set(local, i64.or(i64.and(local.get, i64.const(~(bits << shift))), part))
  }

  #cell(form: OperandForm & { kind: 'gpr' }): number {
    return form.field === 'rm' ? this.#i.rm : form.field === 'reg' ? this.#i.reg : this.#i.vvvv
  }

  get(operand: number): Int {
    const form = this.#form(operand)
    switch (form.kind) {
      case 'gpr': return this.#read(this.#cell(form), form.width)
      case 'fixed': return this.reg(form.number, form.width)
      case 'constant': return i32.const(form.value)
      case 'stack': return i32.const(this.#i.rm)
      case 'immediate': return this.#constant(form.width)
      case 'memory': return this.b.let(loadInt(form.width, this.readAddress(form.width / 8), 0))
      default: return absent(`operand ${form.kind}`)
    }
  }

  #constant(width: Width): Int {
    return width === 64 ? i64.const(this.#i.immediate) : i32.const(BigInt.asUintN(width, this.#i.immediate))
  }

  set(operand: number, value: Int): void {
    const form = this.#form(operand)
    if (form.kind === 'gpr') this.#write(this.#cell(form), form.width, value)
    else if (form.kind === 'fixed') this.setReg(form.number, form.width, value)
    else if (form.kind === 'memory') {
      const bound = this.b.let(value)
      const address = this.writeAddress(form.width / 8)
      storeInt(this.b, form.width, address, 0, bound)
      this.commit(address)
    } else absent(`operand ${form.kind}`)
  }

  modify(operand: number, compute: (old: Int) => Int): void {
    const form = this.#form(operand)
    if (form.kind !== 'memory') {
      this.set(operand, compute(this.get(operand)))
      return
    }
    const address = this.modifyAddress(form.width / 8)
    storeInt(this.b, form.width, address, 0, compute(this.b.let(loadInt(form.width, address, 0))))
    this.commit(address)
  }

  effectiveAddress(): I64 {
    const i = this.#i
    const base = i.ripRelative ? i64.const(this.#rip + BigInt(i.length)) : i.base === L.ZERO ? undefined : this.#locals.registers[(i.base - L.REGS) >> 3]!.get
    const index = i.index === L.ZERO ? undefined : this.#locals.registers[(i.index - L.REGS) >> 3]!.get
    let sum: I64 = i64.const(i.displacement)
    if (base) sum = i.displacement ? i64.add(base, sum) : base
    if (index) sum = i64.add(sum, i.scale ? i64.shl(index, i64.const(i.scale)) : index)
    return this.b.let(i.addressSize === 32 ? i64.and(sum, i64.const(0xffffffffn)) : sum)
  }

  #linear(): I64 {
    let linear = this.effectiveAddress()
    if (this.#i.segment >= L.SEG_FS) linear = i64.add(linear, i64.load(this.cpu, L.segment(this.#i.segment)))
    if (this.#displacement) linear = i64.add(linear, this.#displacement)
    return this.b.let(linear)
  }

  #translate(linear: I64, size: number, access: number): I32 {
    return tlbAccess(this.b, this.cpu, linear, size, access & SLOW_WRITE ? L.TLB_WRITE : L.TLB_READ, (address) => {
      const stack = this.#i.segment === L.SEG_SS ? SLOW_STACK : 0
      this.b.set(address, callExpr('i32', this.#exits.slow, [i32.const(size | access | stack)]))
      this.b.if(i32.eqz(address.get), () => this.#exits.fault())
    })
  }

  readAddress(size: number, offset = 0): I32 {
    return this.#translate(this.b.let(i64.add(this.#linear(), i64.const(offset))), size, 0)
  }

  writeAddress(size: number, offset = 0): I32 {
    return this.#translate(this.b.let(i64.add(this.#linear(), i64.const(offset))), size, SLOW_WRITE)
  }

  modifyAddress(size: number): I32 {
    return this.#translate(this.#linear(), size, SLOW_WRITE | SLOW_MODIFY)
  }

  displaceAddress(displacement: I64): void {
    this.#displacement = displacement
  }

  commit(address: I32): void {
    this.b.if(i32.eq(address, i32.add(this.cpu, i32.const(L.SCRATCH))), () => this.b.call(this.#exits.commit))
  }

  requireAligned(bytes: number): void {
    this.raiseIf(i32.wrap_i64(i64.and(this.#linear(), i64.const(bytes - 1))), 13, 0)
  }

  immediate(): I64 {
    return i64.const(this.#i.immediate)
  }

  reg(number: number, width: Width): Int {
    return this.#read(L.REGS + number * 8, width)
  }

  setReg(number: number, width: Width, value: Int): void {
    this.#write(L.REGS + number * 8, width, value)
  }

  // Flags

  flagsAdd(width: Width, a: Int, b: Int, result: Int): void { this.#flags.add(width, a, b, result) }
  flagsAdc(width: Width, a: Int, b: Int, result: Int, carryIn: I32): void { this.#flags.adc(width, a, b, result, carryIn) }
  flagsSub(width: Width, a: Int, b: Int, result: Int): void { this.#flags.sub(width, a, b, result) }
  flagsSbb(width: Width, a: Int, b: Int, result: Int, borrowIn: I32): void { this.#flags.sbb(width, a, b, result, borrowIn) }
  flagsLogic(width: Width, result: Int): void { this.#flags.logic(width, result) }
  flagsInc(width: Width, result: Int): void { this.#flags.incDec(width, result, true) }
  flagsDec(width: Width, result: Int): void { this.#flags.incDec(width, result, false) }
  flagsSet(width: Width, result: Int, cf: I32, of: I32, af?: I32): void { this.#flags.set(width, result, cf, of, af) }
  setArithmeticFlags(image: I32): void { this.#flags.setImage(this.b.let(image)) }
  arithmeticFlags(): I32 { return this.#flags.image() }
  carry(): I32 { return this.#flags.carry() }
  setCarry(value: I32): void { this.#flags.setCarry(value) }
  setCarryOverflow(cf: I32, of: I32): void { this.#flags.setCarryOverflow(cf, of) }
  condition(code: ConditionCode): I32 { return this.#flags.condition(code) }

  // Control

  is64(): I32 {
    return i32.const(1)
  }

  rip(): I64 {
    return i64.const(this.#rip)
  }

  x87Opcode(): I32 {
    return i32.const(this.#i.reg)
  }

  nextRip(): I64 {
    return i64.const(this.#rip + BigInt(this.#i.length))
  }

  branchTarget(): I64 {
    return i64.const(this.#rip + BigInt(this.#i.length) + this.#i.immediate)
  }

  requireTarget(rip: I64): void {
    const shift = i64.load(this.cpu, L.CANONICAL_SHIFT)
    this.raiseIf(i64.ne(i64.shr_s(i64.shl(rip, shift), shift), rip), 13, 0)
  }

  jump(rip: I64): void {
    this.#exits.jump(rip)
  }

  branchIf(condition: I32): void {
    this.b.if(condition, () => this.jump(this.branchTarget()))
  }

  raise(vector: number, errorCode = -1): void {
    this.b.call(this.#exits.raise, i32.const(vector), i32.const(errorCode))
    this.#exits.fault()
  }

  raiseIf(condition: I32, vector: number, errorCode = -1): void {
    this.b.if(condition, () => this.raise(vector, errorCode))
  }

  push(width: Width, value: Int, check?: () => void): void {
    const bytes = width / 8
    const bound = this.b.let(value)
    const top = this.b.let(i64.sub(this.#locals.registers[4]!.get, i64.const(bytes)))
    const address = this.#translate(top, bytes, SLOW_WRITE | SLOW_STACK)
    check?.()
    storeInt(this.b, width, address, 0, bound)
    this.commit(address)
    this.b.set(this.#locals.registers[4]!, top)
  }

  peek(width: Width, offset = 0): Int {
    return this.loadStack(width, i64.add(this.#locals.registers[4]!.get, i64.const(offset)))
  }

  loadStack(width: Width, pointer: I64): Int {
    return this.b.let(loadInt(width, this.#translate(this.b.let(pointer), width / 8, SLOW_STACK), 0))
  }

  dropStack(bytes: I64): void {
    this.b.set(this.#locals.registers[4]!, i64.add(this.#locals.registers[4]!.get, bytes))
  }

  // Not in this slice: vectors, host functions, strings

  field32(): I32 { return absent('state field') }
  field64(): I64 { return absent('state field') }
  setField32(): void { absent('state field') }
  setField64(): void { absent('state field') }
  requireUnit(): void { absent('floating point') }
  getV(): V128 { return absent('vector') }
  getHalf(): V128 { return absent('vector') }
  getV32(): I32 { return absent('vector') }
  getV64(): I64 { return absent('vector') }
  setV(): void { absent('vector') }
  setHalves(): void { absent('vector') }
  setV32(): void { absent('vector') }
  setV64(): void { absent('vector') }
  getM(): I64 { return absent('MMX') }
  setM(): void { absent('MMX') }
  repeat(): void { absent('string') }
  host(name: string): void { absent(name) }
  helper<T extends 'i32' | 'i64'>(name: string): Expr<T> { return absent(name) }
  helperVoid(name: string): void { absent(name) }
  helperGlobal<T extends 'i32' | 'i64'>(name: string): Expr<T> { return absent(name) }
  setHelperGlobal(name: string): void { absent(name) }
  get strings(): StringAccess { return absent('string') }
}

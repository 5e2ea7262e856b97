import { callExpr, globalExpr, i32, i64, v128 } from '@entresol/wasm-builder'
import type { Expr, FunctionBuilder, I32, I64, V128 } from '@entresol/wasm-builder'
import type { OperandForm } from '../decode/operands.ts'
import type { Variant } from '../decode/variants.ts'
import type { ConditionCode, Emitter, Int, StringAccess, Width } from '../emit/emitter.ts'
import { Flags, memoryFlags } from '../emit/flags.ts'
import { tlbAccess } from '../emit/tlb-access.ts'
import * as L from '../state/layout.ts'
import { lockedModify, lockedModifyPair } from '../emit/locked.ts'
import { loadInt, storeInt, storeRegister } from '../emit/operand-access.ts'
import * as R from './records.ts'

/** Function indices of the interpreter module that handlers call. */
export interface InterpreterFunctions {
  /** The memory is shared: LOCK means something. */
  readonly shared: boolean
  /** (record, access) → machine address or 0; linear address in HOST_VALUE. */
  readonly slow: number
  /** (record): carries out the store staged in SCRATCH. */
  readonly commit: number
  /** (vector, error code or -1): records a fault. */
  readonly raise: number
  /** (host function number, record) → status. */
  readonly host: number
  /** (cpu, record) → effective address (i64), truncated to the address size. */
  readonly offset: number
  /** (cpu, record, segment cell, offset i64, access) → linear address (i64), checked in legacy modes. */
  readonly linear: number
  hostFunction(name: string): number
  helper(name: string): number
  helperGlobal(name: string): number
}

/** How a handler leaves: differs between the main function's arms and functions of their own. */
export interface HandlerExits {
  fault(): void
  jump(rip: I64): void
  /** The branch of the record is taken, to this RIP. */
  branch(rip: I64): void
  status(status: I32): void
}

const MODRM_FIELD = { rm: R.R_RM, reg: R.R_REG, vvvv: R.R_VVVV } as const

/** Emits one handler of the interpreter: operands are found through the record. */
export class InterpreterEmitter implements Emitter {
  readonly b: FunctionBuilder
  readonly cpu: I32
  readonly width: Width
  readonly vectorLength: 128 | 256
  readonly vex: boolean
  readonly rep: 'none' | 'rep' | 'repne'
  readonly #variant: Variant
  readonly #record: I32
  readonly #functions: InterpreterFunctions
  readonly #exits: HandlerExits
  readonly #flags: Flags
  #linearLocal: Expr<'i64'> | undefined
  #addressLocal: Expr<'i32'> | undefined
  #displacement: I64 | undefined

  constructor(b: FunctionBuilder, cpu: I32, record: I32, variant: Variant, functions: InterpreterFunctions, exits: HandlerExits, vex: boolean) {
    this.b = b
    this.cpu = cpu
    this.#record = record
    this.#variant = variant
    this.#functions = functions
    this.#exits = exits
    this.#flags = new Flags(b, memoryFlags(b, cpu))
    this.width = variant.width
    this.vectorLength = variant.vectorBytes === 32 ? 256 : 128
    this.vex = vex
    this.rep = variant.repeat
  }

  #form(operand: number): OperandForm {
    return this.#variant.operands[operand]!
  }

  isMemory(operand: number): boolean {
    const form = this.#form(operand)
    return form.kind === 'memory' || form.kind === 'moffs'
  }

  widthOf(operand: number): Width {
    return this.#form(operand).width
  }

  /** Address of the register cell a record field names. */
  #cell(field: number): I32 {
    return i32.add(this.cpu, i32.load16_u(this.#record, field))
  }

  #vectorCell(form: OperandForm): I32 {
    if (form.kind === 'xmm' && form.field === 'is4') return i32.add(this.cpu, i32.load(this.#record, R.R_IMMEDIATE))
    return this.#cell(MODRM_FIELD[(form as { field: 'rm' | 'reg' | 'vvvv' }).field])
  }

  get(operand: number): Int {
    const form = this.#form(operand)
    const { width } = form
    switch (form.kind) {
      case 'gpr': return this.b.let(loadInt(width, this.#cell(MODRM_FIELD[form.field]), 0))
      case 'fixed': return this.reg(form.number, width)
      case 'constant': return i32.const(form.value)
      case 'immediate': return width === 64 ? i64.load(this.#record, R.R_IMMEDIATE) : loadInt(width, this.#record, R.R_IMMEDIATE)
      case 'memory': case 'moffs': return this.b.let(loadInt(width, this.readAddress(width / 8), 0))
      case 'stack': return i32.load16_u(this.#record, R.R_RM)
      default: return i32.load16_u(this.#record, R.R_REG)
    }
  }

  set(operand: number, value: Int): void {
    const form = this.#form(operand)
    const { width } = form
    if (form.kind === 'gpr') storeRegister(this.b, width, this.#cell(MODRM_FIELD[form.field]), 0, value)
    else if (form.kind === 'fixed') this.setReg(form.number, width, value)
    else {
      const bound = this.b.let(value)
      const address = this.writeAddress(width / 8)
      storeInt(this.b, width, address, 0, bound)
      this.commit(address)
    }
  }

  modify(operand: number, compute: (old: Int) => Int, alwaysLocked = false): void {
    const form = this.#form(operand)
    if (form.kind !== 'memory') {
      this.set(operand, compute(this.get(operand)))
      return
    }
    const { b } = this
    const address = this.modifyAddress(form.width / 8)
    if (this.#lockable) {
      lockedModify(b, form.width, address, this.#locked(address, alwaysLocked), compute)
      b.if(i32.load(this.cpu, L.SCRATCH_PENDING), () => b.call(this.#functions.commit, this.#record))
      return
    }
    storeInt(b, form.width, address, 0, compute(b.let(loadInt(form.width, address, 0))))
    this.commit(address)
  }

  modifyPair(half: 32 | 64, compute: (low: Int, high: Int) => readonly [low: Int, high: Int]): void {
    const { b } = this
    const bytes = half / 8
    const address = this.modifyAddress(2 * bytes)
    if (this.#lockable) {
      lockedModifyPair(b, half, address, this.#locked(address, false), compute)
      b.if(i32.load(this.cpu, L.SCRATCH_PENDING), () => b.call(this.#functions.commit, this.#record))
      return
    }
    const [low, high] = compute(b.let(loadInt(half, address, 0)), b.let(loadInt(half, address, bytes)))
    storeInt(b, half, address, 0, low)
    storeInt(b, half, address, bytes, high)
    this.commit(address)
  }

  /** Other processors share the memory, and the instruction can keep them out. */
  get #lockable(): boolean {
    return this.#functions.shared && this.#variant.row.options.lock === true
  }

  /** Whether this record must, and its operand is not staged: those that cross a page or go to a device are not atomic. */
  #locked(address: I32, always: boolean): I32 {
    const inPlace = i32.ne(address, i32.add(this.cpu, i32.const(L.SCRATCH)))
    return this.b.let(always ? inPlace : i32.and(inPlace, i32.ne(i32.and(i32.load8_u(this.#record, R.R_FLAGS), i32.const(R.RECORD_LOCK)), i32.const(0))))
  }

  effectiveAddress(): I64 {
    const result = this.b.local('i64')
    this.b.if(i32.eqz(i32.load8_u(this.#record, R.R_ADDRESS)),
      () => this.b.set(result, this.#fastOffset()),
      () => this.b.set(result, callExpr('i64', this.#functions.offset, [this.cpu, this.#record])))
    return result.get
  }

  #fastOffset(): I64 {
    const index = i64.shl(i64.load(this.#cell(R.R_INDEX)), i64.extend_i32_u(i32.load8_u(this.#record, R.R_SCALE)))
    return i64.add(i64.add(i64.load(this.#cell(R.R_BASE)), index), i64.load32_s(this.#record, R.R_DISPLACEMENT))
  }

  /** Linear address of the memory operand, once per handler. */
  #linear(size: number, access: number): I64 {
    if (this.#linearLocal) return this.#linearLocal
    const b = this.b
    const linear = b.local('i64')
    const kind = b.let(i32.load8_u(this.#record, R.R_ADDRESS))
    b.if(i32.eqz(kind),
      () => b.set(linear, this.#displace(i64.add(this.#fastOffset(), i64.load(this.#cell(R.R_SEGMENT))))),
      () => {
        // 32-bit code in flat segments, the rule of 32-bit systems: `slow` sees what leaves 4 GiB.
        const flat = i32.and(i32.load(this.#cell(R.R_SEGMENT), L.SEG_PERMISSIONS), i32.const(L.SEG_FLAT))
        b.if(i32.and(i32.eq(kind, i32.const(R.ADDRESS_32 | R.ADDRESS_CHECKED)), i32.ne(flat, i32.const(0))),
          () => b.set(linear, i64.and(this.#displace(this.#fastOffset()), i64.const(0xffffffffn))),
          () => b.set(linear, callExpr('i64', this.#functions.linear, [
            this.cpu, this.#record, i32.load16_u(this.#record, R.R_SEGMENT),
            this.#displaceMasked(callExpr('i64', this.#functions.offset, [this.cpu, this.#record])), i32.const(size | access),
          ])))
      })
    this.#linearLocal = linear.get
    return linear.get
  }

  #displace(offset: I64): I64 {
    return this.#displacement ? i64.add(offset, this.#displacement) : offset
  }

  /** Displaced within the address size. */
  #displaceMasked(offset: I64): I64 {
    return this.#displacement ? i64.and(i64.add(offset, this.#displacement), this.#addressMask()) : offset
  }

  #addressMask(): I64 {
    const size = i32.and(i32.load8_u(this.#record, R.R_ADDRESS), i32.const(3))
    return i64.load(i32.add(this.cpu, i32.shl(size, i32.const(3))), L.ADDRESS_MASKS)
  }

  /** TLB lookup; leaves the handler on a fault. */
  #translate(linear: I64, size: number, access: number): I32 {
    return tlbAccess(this.b, this.cpu, linear, size, access & R.SLOW_WRITE ? L.TLB_WRITE : L.TLB_READ, (address) => {
      this.b.set(address, callExpr('i32', this.#functions.slow, [this.#record, i32.const(size | access)]))
      this.b.if(i32.eqz(address.get), () => this.#exits.fault())
    })
  }

  readAddress(size: number, offset = 0): I32 {
    const linear = this.#linear(size, 0)
    return this.#translate(offset ? this.b.let(i64.add(linear, i64.const(offset))) : linear, size, 0)
  }

  writeAddress(size: number, offset = 0): I32 {
    const linear = this.#linear(size, R.SLOW_WRITE)
    return this.#translate(offset ? this.b.let(i64.add(linear, i64.const(offset))) : linear, size, R.SLOW_WRITE)
  }

  modifyAddress(size: number): I32 {
    return this.#translate(this.#linear(size, R.SLOW_WRITE), size, R.SLOW_WRITE | R.SLOW_MODIFY)
  }

  displaceAddress(displacement: I64): void {
    this.#displacement = displacement
  }

  commit(address: I32): void {
    this.b.if(i32.eq(address, i32.add(this.cpu, i32.const(L.SCRATCH))), () => this.b.call(this.#functions.commit, this.#record))
  }

  requireAligned(bytes: number, write = false): void {
    const linear = this.#linear(bytes, write ? R.SLOW_WRITE : 0)
    this.raiseIf(i32.wrap_i64(i64.and(linear, i64.const(bytes - 1))), 13, 0)
  }

  immediate(): I64 {
    return i64.load(this.#record, R.R_IMMEDIATE)
  }

  reg(number: number, width: Width): Int {
    return this.b.let(loadInt(width, this.cpu, L.REGS + number * 8))
  }

  setReg(number: number, width: Width, value: Int): void {
    storeRegister(this.b, width, this.cpu, L.REGS + number * 8, value)
  }

  // Vectors

  #isVectorMemory(operand: number): boolean {
    return this.#form(operand).kind === 'memory'
  }

  getV(operand: number, unaligned = false): V128 {
    if (!this.#isVectorMemory(operand)) return this.b.let(v128.load(this.#vectorCell(this.#form(operand))))
    if (!unaligned && !this.vex) this.requireAligned(16)
    return this.b.let(v128.load(this.readAddress(16)))
  }

  getHalf(operand: number, half: 0 | 1): V128 {
    if (!this.#isVectorMemory(operand)) return this.b.let(v128.load(this.#vectorCell(this.#form(operand)), half * 16))
    this.#addressLocal ??= this.readAddress(32)
    return this.b.let(v128.load(this.#addressLocal, half * 16))
  }

  getV32(operand: number): I32 {
    const address = this.#isVectorMemory(operand) ? this.readAddress(4) : this.#vectorCell(this.#form(operand))
    return this.b.let(i32.load(address))
  }

  getV64(operand: number): I64 {
    const address = this.#isVectorMemory(operand) ? this.readAddress(8) : this.#vectorCell(this.#form(operand))
    return this.b.let(i64.load(address))
  }

  #zeroUpper(cell: I32): void {
    if (this.vex) this.b.store('v128', cell, 16, v128.const(new Array<number>(16).fill(0)))
  }

  setV(operand: number, value: V128, unaligned = false): void {
    if (!this.#isVectorMemory(operand)) {
      const cell = this.#vectorCell(this.#form(operand))
      this.b.store('v128', cell, 0, value)
      this.#zeroUpper(cell)
      return
    }
    const bound = this.b.let(value)
    if (!unaligned && !this.vex) this.requireAligned(16, true)
    const address = this.writeAddress(16)
    this.b.store('v128', address, 0, bound)
    this.commit(address)
  }

  setHalves(operand: number, low: V128, high: V128): void {
    const memory = this.#isVectorMemory(operand)
    const [l, h] = [this.b.let(low), this.b.let(high)]
    const address = memory ? this.writeAddress(32) : this.#vectorCell(this.#form(operand))
    this.b.store('v128', address, 0, l)
    this.b.store('v128', address, 16, h)
    if (memory) this.commit(address)
  }

  setV32(operand: number, value: I32, upper?: V128): void {
    this.#setLow(operand, 'i32', value, upper)
  }

  setV64(operand: number, value: I64, upper?: V128): void {
    this.#setLow(operand, 'i64', value, upper)
  }

  #setLow(operand: number, type: 'i32' | 'i64', value: Expr, upper?: V128): void {
    const memory = this.#isVectorMemory(operand)
    const bound = this.b.let(value)
    const address = memory ? this.writeAddress(type === 'i32' ? 4 : 8) : this.#vectorCell(this.#form(operand))
    if (upper && !memory) this.b.store('v128', address, 0, upper)
    this.b.store(type, address, 0, bound)
    if (memory) this.commit(address)
    else this.#zeroUpper(address)
  }

  getM(operand: number): I64 {
    const form = this.#form(operand)
    if (form.kind === 'memory' && form.bytes === 4) return this.b.let(i64.load32_u(this.readAddress(4)))
    return this.b.let(i64.load(form.kind === 'memory' ? this.readAddress(8) : this.#vectorCell(form)))
  }

  setM(operand: number, value: I64): void {
    const memory = this.#isVectorMemory(operand)
    const bound = this.b.let(value)
    const address = memory ? this.writeAddress(8) : this.#vectorCell(this.#form(operand))
    this.b.store('i64', address, 0, bound)
    if (memory) this.commit(address)
    // An MMX write sets the register's exponent and sign to ones (SDM vol. 1, 9.5.1).
    else this.b.store('i32_16', address, 8, i32.const(0xffff))
  }

  setVectorHalf(number: number, half: 0 | 1, value: V128): void {
    this.b.store('v128', this.cpu, L.YMM + number * 32 + half * 16, value)
  }

  field32(offset: number): I32 {
    return i32.load(this.cpu, offset)
  }

  field64(offset: number): I64 {
    return i64.load(this.cpu, offset)
  }

  setField32(offset: number, value: I32): void {
    this.b.store('i32', this.cpu, offset, value)
  }

  setField64(offset: number, value: I64): void {
    this.b.store('i64', this.cpu, offset, value)
  }

  requireUnit(unit: 'x87' | 'mmx' | 'sse' | 'avx'): void {
    const bit = { x87: L.UNIT_X87, mmx: L.UNIT_MMX, sse: L.UNIT_SSE, avx: L.UNIT_AVX }[unit]
    this.b.if(i32.eqz(i32.and(i32.load(this.cpu, L.UNITS), i32.const(bit))), () => this.host(`require-${unit}`))
    if (unit === 'x87' || unit === 'mmx') {
      // The status word's summary bit: an unmasked exception waits (SDM vol. 1, 8.6).
      this.raiseIf(i32.and(i32.load(this.cpu, L.FPU_STATUS), i32.const(0x80)), 16)
    }
  }

  // Flags

  flagsAdd(width: Width, a: Int, b: Int, result: Int): void {
    this.#flags.add(width, a, b, result)
  }

  flagsAdc(width: Width, a: Int, b: Int, result: Int, carryIn: I32): void {
    this.#flags.adc(width, a, b, result, carryIn)
  }

  flagsSub(width: Width, a: Int, b: Int, result: Int): void {
    this.#flags.sub(width, a, b, result)
  }

  flagsSbb(width: Width, a: Int, b: Int, result: Int, borrowIn: I32): void {
    this.#flags.sbb(width, a, b, result, borrowIn)
  }

  flagsLogic(width: Width, result: Int): void {
    this.#flags.logic(width, result)
  }

  flagsInc(width: Width, result: Int): void {
    this.#flags.incDec(width, result, true)
  }

  flagsDec(width: Width, result: Int): void {
    this.#flags.incDec(width, result, false)
  }

  flagsSet(width: Width, result: Int, cf: I32, of: I32, af?: I32): void {
    this.#flags.set(width, result, cf, of, af)
  }

  setArithmeticFlags(image: I32): void {
    this.#flags.setImage(this.b.let(image))
  }

  arithmeticFlags(): I32 {
    return this.#flags.image()
  }

  carry(): I32 {
    return this.#flags.carry()
  }

  setCarry(value: I32): void {
    this.#flags.setCarry(value)
  }

  setCarryOverflow(cf: I32, of: I32): void {
    this.#flags.setCarryOverflow(cf, of)
  }

  condition(code: ConditionCode): I32 {
    return this.#flags.condition(code)
  }

  // Control

  #legacy(): I32 {
    return i32.and(i32.load8_u(this.#record, R.R_FLAGS), i32.const(R.RECORD_LEGACY))
  }

  is64(): I32 {
    return i32.eqz(this.#legacy())
  }

  rip(): I64 {
    return i64.and(i64.add(i64.load(this.cpu, L.PAGE_RIP), i64.load16_u(this.#record, R.R_OFFSET)), i64.load(this.cpu, L.RIP_MASK))
  }

  x87Opcode(): I32 {
    return i32.load16_u(this.#record, R.R_REG)
  }

  nextRip(): I64 {
    const end = i32.add(i32.load16_u(this.#record, R.R_OFFSET), i32.load8_u(this.#record, R.R_LENGTH))
    return i64.and(i64.add(i64.load(this.cpu, L.PAGE_RIP), i64.extend_i32_u(end)), i64.load(this.cpu, L.RIP_MASK))
  }

  branchTarget(): I64 {
    const form = this.#variant.operands.find((o) => o.kind === 'relative')
    const target = i64.add(i64.load(this.cpu, L.PAGE_RIP), this.immediate())
    return i64.and(target, form?.width === 16 ? i64.const(0xffff) : i64.load(this.cpu, L.RIP_MASK))
  }

  requireTarget(rip: I64): void {
    const b = this.b
    b.if(this.#legacy(),
      () => this.raiseIf(i64.gt_u(rip, i64.load32_u(this.cpu, L.segment(L.SEG_CS) + L.SEG_LIMIT)), 13, 0),
      () => {
        const shift = i64.load(this.cpu, L.CANONICAL_SHIFT)
        this.raiseIf(i64.ne(i64.shr_s(i64.shl(rip, shift), shift), rip), 13, 0)
      })
  }

  jump(rip: I64): void {
    if (this.#variant.operands.some((o) => o.kind === 'relative')) this.#exits.branch(rip)
    else this.#exits.jump(rip)
  }

  branchIf(condition: I32): void {
    this.b.if(condition, () => {
      const target = this.b.let(this.branchTarget())
      this.b.if(this.#legacy(), () => this.raiseIf(i64.gt_u(target, i64.load32_u(this.cpu, L.segment(L.SEG_CS) + L.SEG_LIMIT)), 13, 0))
      this.jump(target)
    })
  }

  raise(vector: number, errorCode = -1): void {
    this.b.call(this.#functions.raise, i32.const(vector), i32.const(errorCode))
    this.#exits.fault()
  }

  raiseIf(condition: I32, vector: number, errorCode = -1): void {
    this.b.if(condition, () => this.raise(vector, errorCode))
  }

  /** Linear address of rSP + `displacement` for an access of `size` bytes. */
  #stackLinear(displacement: number, size: number, access: number): I64 {
    return this.#stackAt(i64.add(i64.load(this.cpu, L.REGS + 4 * 8), i64.const(displacement)), size, access)
  }

  #stackAt(top: I64, size: number, access: number): I64 {
    const b = this.b
    const linear = b.local('i64')
    b.if(this.#legacy(),
      () => {
        const mask = b.let(i64.load(this.cpu, L.STACK_MASK))
        const flat = i32.and(i32.load(this.cpu, L.segment(L.SEG_SS) + L.SEG_PERMISSIONS), i32.const(L.SEG_FLAT))
        b.if(flat,
          () => b.set(linear, i64.and(top, mask)),
          () => b.set(linear, callExpr('i64', this.#functions.linear, [
            this.cpu, this.#record, i32.const(L.segment(L.SEG_SS)), i64.and(top, mask), i32.const(size | access | R.SLOW_STACK),
          ])))
      },
      () => b.set(linear, top))
    return linear.get
  }

  push(width: Width, value: Int, check?: () => void): void {
    const bytes = width / 8
    const bound = this.b.let(value)
    const address = this.#translate(this.#stackLinear(-bytes, bytes, R.SLOW_WRITE), bytes, R.SLOW_WRITE | R.SLOW_STACK)
    check?.()
    storeInt(this.b, width, address, 0, bound)
    this.commit(address)
    this.dropStack(i64.const(-bytes))
  }

  peek(width: Width, offset = 0): Int {
    const bytes = width / 8
    const address = this.#translate(this.#stackLinear(offset, bytes, 0), bytes, R.SLOW_STACK)
    return this.b.let(loadInt(width, address, 0))
  }

  loadStack(width: Width, pointer: I64): Int {
    const bytes = width / 8
    return this.b.let(loadInt(width, this.#translate(this.#stackAt(pointer, bytes, 0), bytes, R.SLOW_STACK), 0))
  }

  dropStack(bytes: I64): void {
    const rsp = i64.load(this.cpu, L.REGS + 4 * 8)
    const moved = this.b.let(i64.add(rsp, bytes))
    this.b.if(this.#legacy(),
      () => {
        const mask = i64.load(this.cpu, L.STACK_MASK)
        const kept = i64.and(rsp, i64.xor(mask, i64.const(-1)))
        this.b.store('i64', this.cpu, L.REGS + 4 * 8, i64.or(kept, i64.and(moved, mask)))
      },
      () => this.b.store('i64', this.cpu, L.REGS + 4 * 8, moved))
  }

  repeat(): void {
    this.#exits.status(i32.const(R.STATUS_REPEAT))
  }

  host(name: string): void {
    const number = this.#functions.hostFunction(name)
    this.#exits.status(callExpr('i32', this.#functions.host, [i32.const(number), this.#record]))
  }

  helper<T extends 'i32' | 'i64'>(name: string, type: T, ...args: Expr[]): Expr<T> {
    return this.b.let(callExpr(type, this.#functions.helper(name), args))
  }

  helperVoid(name: string, ...args: Expr[]): void {
    this.b.call(this.#functions.helper(name), ...args)
  }

  helperGlobal<T extends 'i32' | 'i64'>(name: string, type: T): Expr<T> {
    return globalExpr(type, this.#functions.helperGlobal(name))
  }

  setHelperGlobal(name: string, value: Expr): void {
    this.b.setGlobal(this.#functions.helperGlobal(name), value)
  }

  // Strings

  get strings(): StringAccess {
    const mask = (): I64 => this.#addressMask()
    const cell = (number: number): I64 => i64.load(this.cpu, L.REGS + number * 8)
    const block = this.rep === 'none' ? 0 : R.SLOW_BLOCK
    const at = (segmentCell: I32, pointer: I64, size: number, access: number): I32 => {
      const b = this.b
      const linear = b.local('i64')
      b.if(this.#legacy(),
        () => b.set(linear, callExpr('i64', this.#functions.linear, [this.cpu, this.#record, segmentCell, pointer, i32.const(size | access)])),
        () => b.set(linear, i64.add(pointer, i64.load(i32.add(this.cpu, segmentCell)))))
      return this.#translate(linear.get, size, access)
    }
    return {
      pointer: (number) => this.b.let(i64.and(cell(number), mask())),
      advance: (number, delta) => {
        const b = this.b
        const m = b.let(mask())
        const moved = b.let(i64.and(i64.add(cell(number), delta), m))
        // 16-bit addressing keeps the upper bits; 32-bit clears them as any 32-bit result does.
        const kept = i64.and(cell(number), i64.const(-65536n))
        b.if(i64.eq(m, i64.const(0xffff)),
          () => b.store('i64', this.cpu, L.REGS + number * 8, i64.or(moved, kept)),
          () => b.store('i64', this.cpu, L.REGS + number * 8, moved))
      },
      sourceAddress: (size, pointer = cell(6)) =>
        at(i32.load16_u(this.#record, R.R_SEGMENT), this.b.let(i64.and(pointer, mask())), size, 0),
      destinationAddress: (size, write) => {
        const es = this.b.local('i32')
        this.b.if(this.#legacy(), () => this.b.set(es, i32.const(L.segment(L.SEG_ES))), () => this.b.set(es, i32.const(L.ZERO)))
        return at(es.get, this.b.let(i64.and(cell(7), mask())), size, write ? R.SLOW_WRITE | block : 0)
      },
    }
  }
}


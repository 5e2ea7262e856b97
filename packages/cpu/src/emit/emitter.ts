import type { Expr, F32, F64, FunctionBuilder, I32, I64, V128 } from '@entresol/wasm-builder'

export type Width = 8 | 16 | 32 | 64
/** i32 for widths up to 32 (zero-extended), i64 for 64. */
export type Int = I32 | I64
/** Condition codes as encoded in Jcc (SDM vol. 1, appendix B): 0 O, 2 B, 4 Z, 6 BE, 8 S, 10 P, 12 L, 14 LE; odd is the inverse. */
export type ConditionCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15

/**
 * What an instruction's meaning is written against. Expressions are pure and may be used several times only if small:
 * bind others with `b.let`. Everything that can fault (`get`, `set`, `load`, `store`, `push`, `raise` …) is a statement that
 * happens where it is called; on a fault nothing after it happens, so do all faulting accesses before changing any register or flag.
 */
export interface Emitter {
  readonly b: FunctionBuilder
  /** Operand size of this variant. */
  readonly width: Width
  /** Vector length in bits of this variant: 128 unless VEX.256. */
  readonly vectorLength: 128 | 256
  /** True for a VEX form: upper parts of destinations are zeroed, memory needs no alignment. */
  readonly vex: boolean
  /** Operand is memory in this variant. */
  isMemory(operand: number): boolean
  /** Width of integer operand `operand` in bits. */
  widthOf(operand: number): Width

  // Integer operands, by position in the row
  get(operand: number): Int
  set(operand: number, value: Int): void
  /**
   * Read, compute, write back to the same place with write intent before anything else faults; atomic under LOCK, and with `alwaysLocked` without it.
   * `compute` may be carried out again for a newer value: it reads no register or flag that it writes, and what it changes depends on its argument only.
   */
  modify(operand: number, compute: (old: Int) => Int, alwaysLocked?: boolean): void
  /** The same for the two halves, of 32 or 64 bits, of memory operand 0. */
  modifyPair(half: 32 | 64, compute: (low: Int, high: Int) => readonly [low: Int, high: Int]): void
  /** Linear address of the memory operand (segment applied and checked later by load/store through it). */
  effectiveAddress(): I64
  /** Immediate operand, sign-extended to 64 bits where the encoding says so. */
  immediate(): I64

  // Fixed registers by number (0 = rAX, 1 = rCX, 2 = rDX, 3 = rBX, 4 = rSP, 5 = rBP, 6 = rSI, 7 = rDI); 8-bit means the low byte
  reg(number: number, width: Width): Int
  setReg(number: number, width: Width, value: Int): void

  // Memory by operand or by linear address. Sizes in bytes.
  /** Machine address of the memory operand, or of `operand`'s memory plus `offset`, for reading `size` bytes. */
  readAddress(size: number, offset?: number): I32
  /** The same for writing: store with `b.store`, then call `commit()`. */
  writeAddress(size: number, offset?: number): I32
  /** Like writeAddress for read-modify-write: the bytes there are current. */
  modifyAddress(size: number): I32
  commit(address: I32): void
  /** Adds to the effective address of every later access through the memory operand; call before the first one (bit strings). */
  displaceAddress(displacement: I64): void
  /** #GP(0) unless the memory operand's linear address is a multiple of `bytes` (SSE alignment); `write` when the access will be a store. */
  requireAligned(bytes: number, write?: boolean): void

  // Vector operands (V, W, U, H, L, P, Q, N)
  /** Low 128 bits; from memory reads exactly 16 bytes, aligned when legacy SSE demands it unless `unaligned`. */
  getV(operand: number, unaligned?: boolean): V128
  /** Half `half` (0 low, 1 high) of a 256-bit operand; both halves of memory are checked by one 32-byte access first. */
  getHalf(operand: number, half: 0 | 1): V128
  /** Scalar reads of the low 32 or 64 bits: 4 or 8 bytes of memory, no alignment. */
  getV32(operand: number): I32
  getV64(operand: number): I64
  /** Writes a register's low 128 bits: VEX zeroes the upper half, legacy keeps it. Memory: 16 bytes. */
  setV(operand: number, value: V128, unaligned?: boolean): void
  /** 256-bit write, both halves. */
  setHalves(operand: number, low: V128, high: V128): void
  /** Merge into the low 32/64 bits, keeping bits up to 127 (VEX: taking bits up to 127 from `upper`, then zeroing above). */
  setV32(operand: number, value: I32, upper?: V128): void
  setV64(operand: number, value: I64, upper?: V128): void
  /** MMX register or 8 bytes of memory (P, Q, N); the instruction calls `enterMmx()` first. */
  getM(operand: number): I64
  setM(operand: number, value: I64): void
  /** Half of YMM register `number`, whatever the operands. */
  setVectorHalf(number: number, half: 0 | 1, value: V128): void
  /** Machine-independent access to state fields by layout offset. */
  field32(offset: number): I32
  field64(offset: number): I64
  setField32(offset: number, value: I32): void
  setField64(offset: number, value: I64): void
  /** Address of the state block plus a constant, for indexed access (x87 stack). */
  readonly cpu: I32

  /** First of every instruction that uses the unit: #UD or #NM when CR0, CR4 or XCR0 forbid it; x87 and MMX also deliver a pending #MF. */
  requireUnit(unit: 'x87' | 'mmx' | 'sse' | 'avx'): void

  // Flags
  flagsAdd(width: Width, a: Int, b: Int, result: Int): void
  /** With carry in: CF from the three-way sum. */
  flagsAdc(width: Width, a: Int, b: Int, result: Int, carryIn: I32): void
  flagsSub(width: Width, a: Int, b: Int, result: Int): void
  flagsSbb(width: Width, a: Int, b: Int, result: Int, borrowIn: I32): void
  /** AND, OR, XOR, TEST: CF, OF, AF cleared. */
  flagsLogic(width: Width, result: Int): void
  /** INC/DEC: CF kept. */
  flagsInc(width: Width, result: Int): void
  flagsDec(width: Width, result: Int): void
  /** ZF, SF, PF from `result`, and the given CF, OF, AF (each 0 or 1). */
  flagsSet(width: Width, result: Int, cf: I32, of: I32, af?: I32): void
  /** All six from an EFLAGS image. */
  setArithmeticFlags(image: I32): void
  /** EFLAGS image of the six arithmetic flags. */
  arithmeticFlags(): I32
  carry(): I32
  setCarry(value: I32): void
  /** CF and OF (each 0 or 1), the others kept: rotates. */
  setCarryOverflow(cf: I32, of: I32): void
  condition(code: ConditionCode): I32

  // Control
  /** RIP of this instruction. */
  rip(): I64
  /** The 11 bits an x87 instruction leaves as last opcode: low bits of its first byte, then ModRM. */
  x87Opcode(): I32
  /** RIP behind this instruction. */
  nextRip(): I64
  /** Continues at `rip` (masked and checked by the emitter for the mode). */
  jump(rip: I64): void
  /** #GP(0) unless `rip` is a legal target: canonical, or within CS.limit (SDM vol. 2, JMP/CALL/RET). Before any side effect. */
  requireTarget(rip: I64): void
  /** Target of a relative branch operand, masked to the operand size. */
  branchTarget(): I64
  /** Conditional relative branch: cheaper than `if` + `jump`. */
  branchIf(condition: I32): void
  /** Raises a fault at this instruction. */
  raise(vector: number, errorCode?: number): void
  raiseIf(condition: I32, vector: number, errorCode?: number): void
  /** Stack with the stack segment's size and limit; `width` 16, 32 or 64. pushes commit rSP after the store. `check` may fault between the stack's own faults and the store. */
  push(width: Width, value: Int, check?: () => void): void
  /** Value at the top of the stack, `offset` bytes up, without moving rSP. */
  peek(width: Width, offset?: number): Int
  /** Value at SS:`pointer`, which the caller has masked to the stack size. */
  loadStack(width: Width, pointer: I64): Int
  /** rSP += bytes (masked to the stack size). */
  dropStack(bytes: I64): void
  /** Runs the instruction again unless the slice is over: the next iteration of a string instruction. */
  repeat(): void
  /** Hands the instruction to the TypeScript function of this name. */
  host(name: string): void
  /** Calls an imported helper (softfloat export) by name; returns its result as an expression to be bound at once. */
  helper<T extends 'i32' | 'i64'>(name: string, type: T, ...args: Expr[]): Expr<T>
  helperVoid(name: string, ...args: Expr[]): void
  /** A mutable global of the helpers (helpers.ts, HELPER_GLOBALS) as it is where the expression is placed. */
  helperGlobal<T extends 'i32' | 'i64'>(name: string, type: T): Expr<T>
  setHelperGlobal(name: string, value: Expr): void
  /** REP prefix of this variant of a string instruction. */
  readonly rep: 'none' | 'rep' | 'repne'
  /** String and I/O instructions: address size mask applied to rSI/rDI/rCX (see instructions/string.ts). */
  readonly strings: StringAccess
  /** 1 when the instruction runs in 64-bit mode. */
  is64(): I32
}

/** String instructions' implicit operands under the current address size. */
export interface StringAccess {
  /** rSI, rDI or rCX truncated to the address size. */
  pointer(number: number): I64
  /** Adds `delta` to a register within the address size (32-bit zero-extends, 16-bit keeps the upper part). */
  advance(number: number, delta: I64): void
  /** Linear machine address of DS(or override):rSI / ES:rDI for an access of `size` bytes. */
  sourceAddress(size: number, pointer?: I64): I32
  destinationAddress(size: number, write: boolean): I32
}

export type { Expr, F32, F64, I32, I64, V128 }

/** Bytes of x87, SSE and AVX state in the oracle's own flat layout; see the offsets below. */
export const EXTENDED_SIZE = 608
export const EXT_FCW = 0
export const EXT_FSW = 2
/** Abridged tag word as FXSAVE has it: bit n is set when physical register n is not empty. */
export const EXT_FTW = 4
export const EXT_MXCSR = 8
/** ST(0)..ST(7) in stack order as FXSAVE has them, 10 bytes each. */
export const EXT_ST = 16
/** YMM0..YMM15, 32 bytes each; XMMn is the low half. */
export const EXT_YMM = 96

export interface MemoryPiece {
  readonly address: number
  readonly bytes: Uint8Array
}

export interface Segments {
  es: number
  cs: number
  ss: number
  ds: number
  fs: number
  gs: number
  fsBase: bigint
  gsBase: bigint
}

/** One instruction, or a program of several, and everything it can see. */
export interface TestCase {
  readonly mode: 64 | 32
  readonly code: Uint8Array
  /** Linear address of the first code byte, inside the code page; CODE_DEFAULT when absent. */
  readonly codeAddress?: number
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15. In 32-bit mode the low halves of the first eight. */
  readonly gpr: BigUint64Array
  /** CF, PF, AF, ZF, SF, DF, OF, NT, AC may be chosen; TF, IOPL, ID, VM are 0 and IF is 1, as in any Linux user program. */
  readonly rflags: number
  /** EXTENDED_SIZE bytes; EXTENDED_DEFAULT when absent. */
  readonly extended?: Uint8Array
  /** Written over the pristine data window. */
  readonly memory?: readonly MemoryPiece[]
  /** Defaults of the mode when absent. */
  readonly segments?: Segments
  /** The code is exactly one instruction that does not branch and does not write TF: the oracle may run it the faster way. */
  readonly straight?: boolean
  /** Step until RIP leaves the instruction (REP prefixes), at most `stepLimit` times. */
  readonly repeat?: boolean
  /** The code is a program: it runs until it reaches HLT (`done`, RIP there), a fault, or a bound of the runner's own (`step-limit`). */
  readonly program?: boolean
}

export interface Fault {
  readonly vector: number
  /** As pushed; 0 for vectors without one. For #PF the P bit of an address at or above 2^47 - 4096, the end of user space, is cleared. */
  readonly errorCode: number
  /** CR2 of a page fault. */
  readonly address?: bigint
}

export interface Outcome {
  /**
   * `lost`: the traced process died. `system-call`: the instruction entered the kernel. `step-limit`: a REP did not end in the
   * bound. None of these three says anything about the CPU.
   */
  readonly kind: 'done' | 'fault' | 'system-call' | 'step-limit' | 'lost'
  /** Present when kind is `fault`; registers are then those the fault frame would show (RIP at the instruction for faults). */
  readonly fault?: Fault
  readonly gpr: BigUint64Array
  readonly rip: bigint
  /** RF is always 0 here. */
  readonly rflags: number
  readonly segments: Segments
  readonly extended: Uint8Array
  /** Bytes of the data window that differ from what the case put there, ascending, maximal within 64-byte blocks. */
  readonly memory: readonly MemoryPiece[]
}

/** Anything that can run a case: the real CPU, our interpreter, our translator. */
export interface Subject {
  run(testCase: TestCase): Outcome
}

export const STEP_LIMIT = 300

export const EXTENDED_DEFAULT: Uint8Array = (() => {
  const bytes = new Uint8Array(EXTENDED_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(EXT_FCW, 0x37f, true)
  view.setUint32(EXT_MXCSR, 0x1f80, true)
  return bytes
})()

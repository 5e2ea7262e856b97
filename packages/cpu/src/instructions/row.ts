import type { Emitter } from '../emit/emitter.ts'

/**
 * One row of the instruction table: what the decoder matches and what the instruction means. The row's meaning is an
 * `Emit` function written once against `Emitter`; interpreter and translator run it with emitters of their own.
 *
 * `encoding` follows the notation of the SDM (vol. 2, 3.1.1.1), tokens separated by blanks:
 * - mandatory prefix `NP`, `66`, `F3` or `F2` before `0F` (absent: the row takes any, 66 being operand size);
 *   or `VEX.{128|256|LIG|L0|L1|LZ}.{NP|66|F3|F2}.{0F|0F38|0F3A}.{W0|W1|WIG}`;
 * - `REX.W` / `W0`: REX.W must be set / clear;
 * - opcode bytes in hex (`0F AF`, `0F 38 F0`); the last may be `D8+i` style `B8+r`: low three bits are a register;
 * - `/r`, `/0`..`/7`: ModRM follows. `mod3` / `!mod3`: register / memory forms only; `rm=N` fixes the rm field (mod3).
 * - `i64`: invalid in 64-bit mode. `o64`: valid in 64-bit mode only. `o16|o32|o64s`: only with this operand size.
 * - `f64`: operand size is 64 in 64-bit mode, prefixes or not. `d64`: default 64 (66 selects 16).
 *
 * `operands`, comma separated (SDM vol. 2, appendix A.2 letters): E G M R (rm as register) I J O Z(opcode register)
 * S C D V W U H L P Q N with sizes b w d q v(16/32/64) z(16/32) y(32/64) x(128/256) dq(128) qq(256) and, for memory only, none;
 * fixed `AL CL rAX(v) eAX(z) DX 1 AX`. `Ibs`: byte immediate sign-extended to the operand size.
 */
export interface Row {
  readonly mnemonic: string
  readonly encoding: string
  readonly operands: string
  readonly emit: Emit
  readonly options: RowOptions
}

export interface Emit {
  (e: Emitter): void
  /** TypeScript carries out all of it. */
  readonly hosted?: true
}

export interface RowOptions {
  /** LOCK prefix allowed when operand 0 is memory. */
  readonly lock?: true
  /** CPUID feature (lower-case Linux /proc/cpuinfo name, e.g. `avx2`, `sse4_1`, `bmi1`) without which the row is #UD. */
  readonly feature?: string
  /** EFLAGS bits the architecture leaves undefined: golden vectors do not compare them. */
  readonly undefined?: number
  /** Put the handler into the interpreter's main function: only for what profiles show to be hot. */
  readonly hot?: true
  /** Ends a straight run of records: control never falls through. */
  readonly ends?: true
  /** Generic name of the intercept that can claim the instruction (see Intercepts). */
  readonly intercept?: 'syscall' | 'sysenter' | 'cpuid' | 'rdmsr' | 'wrmsr' | 'hlt' | 'software-interrupt'
  /** REP/REPE/REPNE make it a string loop; semantics read `e.rep`. */
  readonly string?: true
  /** The effective address is formed with rSP as it is after the pop (SDM vol. 2, POP). */
  readonly addressAfterPop?: true
  /** Not recorded in golden vectors: privileged, timing, environment. */
  readonly unobservable?: true
}

/** Rows are written as calls, one line each. */
export const row = (mnemonic: string, encoding: string, operands: string, emit: Emit, options: RowOptions = {}): Row =>
  ({ mnemonic, encoding, operands, emit, options })

/** A rare, long instruction carried out by TypeScript: `system/host.ts` has the function of this name. */
export const host = (name: string): Emit => Object.assign((e: Emitter) => e.host(name), { hosted: true as const })

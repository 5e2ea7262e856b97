/**
 * Operations of SSE, AVX, FMA and F16C on one element of `B`, the bit pattern: number (i32) for single, bigint (i64) for double precision.
 * `mxcsr` is the guest's register as it is: masks, rounding, DAZ and FTZ count, its flags do not. Exceptions are OR-ed to `flags`.
 * With an unmasked exception among them the instruction writes nothing and the result means nothing.
 */
interface Element<B> {
  add(a: B, b: B, mxcsr: number): B
  sub(a: B, b: B, mxcsr: number): B
  mul(a: B, b: B, mxcsr: number): B
  div(a: B, b: B, mxcsr: number): B
  sqrt(a: B, mxcsr: number): B
  /** ±(a * b) ± c with one rounding: `negate` bit 0 negates the product, bit 1 the addend. The first NaN of a, b, c wins, its sign kept. */
  fma(a: B, b: B, c: B, negate: number, mxcsr: number): B
  /** a < b ? a : b; the second for zeros and NaNs. */
  min(a: B, b: B, mxcsr: number): B
  max(a: B, b: B, mxcsr: number): B
  /** UCOMIS, with `signal` 1 COMIS. In EFLAGS bits: greater 0, less 1 (CF), equal 0x40 (ZF), unordered 0x45 (ZF, PF, CF). */
  compare(a: B, b: B, signal: number, mxcsr: number): number
  /** CMPPS and VCMPPS: 1 or 0 for predicate `imm` 0..31. */
  predicate(a: B, b: B, imm: number, mxcsr: number): number
  /** ROUNDPS with its immediate: bits 0..1 rounding, bit 2 MXCSR's rounding instead, bit 3 no PE. */
  round(a: B, imm: number, mxcsr: number): B
  /** Rounded by MXCSR; not representable: IE and the integer indefinite. */
  toI32(a: B, mxcsr: number): number
  toI64(a: B, mxcsr: number): bigint
  truncateToI32(a: B, mxcsr: number): number
  truncateToI64(a: B, mxcsr: number): bigint
  fromI32(a: number, mxcsr: number): B
  fromI64(a: bigint, mxcsr: number): B
}

type Prefixed<P extends string, T> = { readonly [K in keyof T & string as `${P}_${K}`]: T[K] }

/** Conversions between the formats of SSE, and its estimates. */
interface Conversions {
  readonly f64_fromF32: (a: number, mxcsr: number) => bigint
  readonly f32_fromF64: (a: bigint, mxcsr: number) => number
  /** RCPSS and RSQRTSS: estimates with a relative error below 1.5 * 2^-12; their bits differ from CPU to CPU. */
  readonly f32_rcp: (a: number) => number
  readonly f32_rsqrt: (a: number) => number
  /** VCVTPH2PS of the low 16 bits. */
  readonly f32_fromF16: (a: number) => number
  /** VCVTPS2PH; `imm` as in ROUNDPS without bit 3. */
  readonly f32_toF16: (a: number, imm: number, mxcsr: number) => number
}

/**
 * x87. An operand is its significand `m` (64 bits with the integer bit) and `e` (sign in bit 15, biased exponent).
 * `cw` is the guest's control word: masks, precision and rounding count. Results are in `sigResult` and `expResult`, C0..C3 in `condition`.
 * With IE, DE or ZE unmasked and raised no result is written; with OE or UE unmasked a register gets the result with its exponent wrapped
 * by 24576 and memory gets nothing.
 */
interface Extended {
  add(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  sub(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  mul(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  div(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  sqrt(am: bigint, ae: number, cw: number): void
  /** FPREM: C2 reduction incomplete; else C0, C3, C1 are bits 2, 1, 0 of the quotient. */
  rem(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  /** FPREM1. */
  rem1(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  /** FCOM, FTST; with `quiet` 1 FUCOM. Returns the relation in EFLAGS bits as f64_compare does (FCOMI); `condition` has C0, C2, C3. */
  compare(am: bigint, ae: number, bm: bigint, be: number, quiet: number, cw: number): number
  /** FRNDINT. */
  roundToIntegral(am: bigint, ae: number, cw: number): void
  /** FSCALE: a * 2^trunc(b). */
  scale(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  /** FXTRACT: exponent in the first result (ST1), significand in the second (ST0). */
  extract(am: bigint, ae: number, cw: number): void
  /** FXAM of a register that is not empty; returns `condition`. */
  examine(am: bigint, ae: number): number
  /** FLD m32fp, m64fp. FLD m80fp moves the bits and needs no call. */
  fromF32(a: number): void
  fromF64(a: bigint): void
  /**
   * The memory operand of FADD m32fp and its like, exact and without exceptions. What `widenedDenormal` then holds is OR-ed to the `cw`
   * of the operation, so that it raises DE for an operand that was a denormal in its own format.
   */
  widenF32(a: number): void
  widenF64(a: bigint): void
  /** FILD of any size, sign-extended. */
  fromI64(a: bigint): void
  /** FBLD: sixteen digits, then two digits and the sign in bit 15. */
  fromBcd(digits: bigint, top: number): void
  /** FST m32fp, m64fp. FST m80fp moves the bits and needs no call. */
  toF32(am: bigint, ae: number, cw: number): number
  toF64(am: bigint, ae: number, cw: number): bigint
  /** FIST; FISTTP with rounding control 3 in `cw` (cw | 0xC00). The 16-bit result is sign-extended. */
  toI16(am: bigint, ae: number, cw: number): number
  toI32(am: bigint, ae: number, cw: number): number
  toI64(am: bigint, ae: number, cw: number): bigint
  /** FBSTP: sixteen digits in `sigResult`, two digits and the sign in `expResult`. */
  toBcd(am: bigint, ae: number, cw: number): void
  /** 2^a - 1. */
  f2xm1(am: bigint, ae: number, cw: number): void
  /** FYL2X: b * log2(a); a is ST0, b is ST1. */
  yl2x(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  /** FYL2XP1: b * log2(a + 1). */
  yl2xp1(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  /** FPATAN: the angle of the point (a, b); a is ST0, b is ST1. */
  atan(am: bigint, ae: number, bm: bigint, be: number, cw: number): void
  /** With C2 in `condition`, |a| >= 2^63: nothing is written or pushed. */
  sin(am: bigint, ae: number, cw: number): void
  cos(am: bigint, ae: number, cw: number): void
  /** The sine in the first result (ST1 after the push), the cosine in the second (ST0). */
  sincos(am: bigint, ae: number, cw: number): void
  /** FPTAN: the tangent in the first result (ST1 after the push), what is pushed (1.0, or the NaN) in the second. */
  tan(am: bigint, ae: number, cw: number): void
}

/** What an instance exports: functions on bit patterns and the globals that hold what does not fit a return value. */
export interface SoftfloatExports
  extends Prefixed<'f32', Element<number>>, Prefixed<'f64', Element<bigint>>, Prefixed<'f80', Extended>, Conversions {
  /** Exceptions raised since the caller last cleared it: IE 1, DE 2, ZE 4, OE 8, UE 16, PE 32, as in MXCSR and the x87 status word. */
  readonly flags: WebAssembly.Global<'i32'>
  /** C0 0x100, C1 0x200, C2 0x400, C3 0x4000 of the last f80 operation; C1 is 1 when the result was rounded away from zero. */
  readonly condition: WebAssembly.Global<'i32'>
  readonly sigResult: WebAssembly.Global<'i64'>
  readonly expResult: WebAssembly.Global<'i32'>
  readonly sigResult2: WebAssembly.Global<'i64'>
  readonly expResult2: WebAssembly.Global<'i32'>
  /** 0x10000 when the last f80_widenF32 or f80_widenF64 met a denormal, else 0. */
  readonly widenedDenormal: WebAssembly.Global<'i32'>
}

// What a caller reads after a call. Every function ORs into `flags`; the caller clears it when it needs the exceptions of one
// instruction alone. The bits are those of MXCSR and of the x87 status word (Intel SDM vol. 1, 8.1.3 and 10.2.3).
export let flags: i32 = 0
/** x87 condition bits of the last f80 function, where they stand in the status word: C0 0x100, C1 0x200, C2 0x400, C3 0x4000. */
export let condition: i32 = 0
/** The f80 result: significand with its explicit integer bit, and sign (bit 15) with biased exponent. */
export let sigResult: u64 = 0
export let expResult: i32 = 0
/** The other result of FXTRACT (the significand; the exponent is the first result) and FSINCOS (the cosine; the sine is the first). */
export let sigResult2: u64 = 0
export let expResult2: i32 = 0

export const IE: i32 = 1
export const DE: i32 = 2
export const ZE: i32 = 4
export const OE: i32 = 8
export const UE: i32 = 16
export const PE: i32 = 32

export const C0: i32 = 0x100
export const C1: i32 = 0x200
export const C2: i32 = 0x400
export const C3: i32 = 0x4000

/** MXCSR: denormals are zeros, flush to zero. Masks are the flag bits shifted left by 7, rounding control is bits 13..14. */
export const DAZ: i32 = 0x40
export const FTZ: i32 = 0x8000

export const NEAREST: i32 = 0
export const DOWN: i32 = 1
export const UP: i32 = 2
export const ZERO: i32 = 3

export const MSB: u64 = 0x8000000000000000

/** Relations as COMISD leaves them in CF, PF and ZF; eight bits to the left they are C0, C2 and C3 of FCOM. */
export const GREATER: i32 = 0
export const LESS: i32 = 0x01
export const EQUAL: i32 = 0x40
export const UNORDERED: i32 = 0x45

export function raise(bits: i32): void {
  flags |= bits
}

export function setCondition(bits: i32): void {
  condition = bits
}

export function result80(se: i32, sig: u64): void {
  expResult = se
  sigResult = sig
}

export function secondResult80(se: i32, sig: u64): void {
  expResult2 = se
  sigResult2 = sig
}

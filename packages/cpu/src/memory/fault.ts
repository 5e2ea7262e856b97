/**
 * A fault found by TypeScript code on behalf of the guest, thrown to unwind to the host-function boundary, which records it.
 * Not an Error: it is guest behaviour, and it must be cheap.
 */
export class GuestFault {
  readonly vector: number
  /** Error code, or -1 for exceptions without one. */
  readonly errorCode: number

  constructor(vector: number, errorCode = -1) {
    this.vector = vector
    this.errorCode = errorCode
  }
}

export const DE = 0
export const DB = 1
export const NMI = 2
export const BP = 3
export const OF = 4
export const BR = 5
export const UD = 6
export const NM = 7
export const DF = 8
export const TS = 10
export const NP = 11
export const SS = 12
export const GP = 13
export const PF = 14
export const MF = 16
export const AC = 17
export const MC = 18
export const XM = 19

import type { Gpa } from '@entresol/interfaces'

/** Where no memory is: behind the 52 address bits of x86. */
const NOWHERE = 2 ** 52

/** The guest physical address a 64-bit register pair or descriptor field means; what does not exist reads as ones and drops writes. */
export function dmaAddress(low: number, high: number): Gpa {
  return (high < 2 ** 20 ? high * 2 ** 32 + low : NOWHERE) as Gpa
}

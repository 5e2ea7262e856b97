import { CodedError } from '@entresol/kit'
import type { Check } from '../device/saved-state.ts'

/** Any finite number: a virtual time that may be a fraction or lie before power-on (a phase). */
export const finite: Check<number> = (value, path) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new CodedError('bad-snapshot', `saved state: ${path} is not a finite number`)
}

/** Unsigned 64-bit bigint. */
export const u64: Check<bigint> = (value, path) => {
  if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value
  throw new CodedError('bad-snapshot', `saved state: ${path} is not an unsigned 64-bit bigint`)
}

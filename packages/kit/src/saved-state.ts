import { CodedError } from './errors.ts'

/**
 * Validators for saved state: each takes an untrusted value and returns a fresh, owned copy of it, or throws `bad-snapshot`.
 * A device's state.ts builds one from these; it serves `save` (as a copy) and `restore` (as a copy that distrusts) alike.
 */
export type Check<T> = (value: unknown, path: string) => T

/** Throws `bad-snapshot`. */
export function refuse(path: string, wanted: string): never {
  throw new CodedError('bad-snapshot', `saved state: ${path} is not ${wanted}`)
}

/** An integer in [low, high]. */
export function integer(low: number, high: number): Check<number> {
  return (value, path) => {
    if (!Number.isInteger(value)) refuse(path, 'an integer')
    const n = value as number
    return n >= low && n <= high ? n : refuse(path, `in ${low}..${high}`)
  }
}

export const u8: Check<number> = integer(0, 0xff)
export const u16: Check<number> = integer(0, 0xffff)
export const u32: Check<number> = integer(0, 0xffff_ffff)
/** Virtual time in ns, sector numbers and other non-negative safe integers. */
export const safe: Check<number> = integer(0, Number.MAX_SAFE_INTEGER)
/** Non-negative virtual time in ns, -1 for "not scheduled"; clocks may give fractions. */
export const deadline: Check<number> = (value, path) =>
  typeof value === 'number' && Number.isFinite(value) && value >= -1 ? value : refuse(path, 'a time')

export const bool: Check<boolean> = (value, path) => (typeof value === 'boolean' ? value : refuse(path, 'a boolean'))

/** A string of at most `max` characters. */
export function text(max: number): Check<string> {
  return (value, path) => (typeof value === 'string' && value.length <= max ? value : refuse(path, `a string of at most ${max} characters`))
}

export function oneOf<T extends string | number>(...allowed: readonly T[]): Check<T> {
  return (value, path) => (allowed.includes(value as T) ? (value as T) : refuse(path, `one of ${allowed.join(', ')}`))
}

/** A Uint8Array of exactly `length` bytes, or of at most `max` when a second bound is given. */
export function bytes(length: number, max: number = length): Check<Uint8Array> {
  return (value, path) => {
    if (!(value instanceof Uint8Array) || value.length < length || value.length > max) refuse(path, `${length}..${max} bytes`)
    return (value as Uint8Array).slice()
  }
}

/** An array of at most `max` elements (exactly `max` when `exact`). */
export function list<T>(element: Check<T>, max: number, exact: boolean = false): Check<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > max || (exact && value.length !== max)) refuse(path, `a list of ${max}`)
    return (value as unknown[]).map((item, index) => element(item, `${path}[${index}]`))
  }
}

/** A plain object with exactly these fields; unknown fields are dropped. */
export function record<T extends object>(fields: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null) refuse(path, 'an object')
    const out: Partial<T> = {}
    for (const key in fields) {
      out[key] = fields[key]((value as T)[key], `${path}.${key}`)
    }
    return out as T
  }
}

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

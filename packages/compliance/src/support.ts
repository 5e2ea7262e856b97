/** Structural equality of structured-cloneable values: plain objects, arrays, Maps, Sets, typed arrays and primitives (NaN equals NaN). */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false
  if (a instanceof ArrayBuffer) return same(new Uint8Array(a), new Uint8Array(b as ArrayBuffer))
  if (a instanceof Map) return same([...a], [...(b as Map<unknown, unknown>)])
  if (a instanceof Set) return same([...a], [...(b as Set<unknown>)])
  if (a instanceof Date) return a.getTime() === (b as Date).getTime()
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}

/** Deterministic numbers for the suites: `random(n)` is uniform in 0..n-1. The same seed gives the same run everywhere. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** The `code` of a coded error, undefined for any other value. Duck-typed: implementations may carry their own copy of the kit. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^[a-z][a-z0-9-]*$/.test(error.code) ? error.code : undefined
}

/** Runs `action`; returns what it threw, undefined when it did not. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error ?? new Error('nullish value thrown')
  }
  return undefined
}

/** Awaits `action`; returns what it rejected with or threw, undefined when it resolved. */
export async function rejectionOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error ?? new Error('nullish rejection')
  }
  return undefined
}

export const hex = (value: number): string => `0x${value.toString(16)}`

/** Bytes that look like nothing else; the same seed gives the same ones. */
export function filled(length: number, seed: number): Uint8Array {
  const random = seededRandom(seed)
  return Uint8Array.from({ length }, () => random(256))
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index])

/** It is a violation if `action` succeeds, or fails without a code. */
export async function mustReject(action: () => Promise<unknown>, what: string, violated: (detail: string) => void): Promise<void> {
  const error = await rejectionOf(action)
  if (error === undefined) violated(`${what} was accepted`)
  else if (codeOf(error) === undefined) violated(`${what} failed without a code: ${String(error)}`)
}

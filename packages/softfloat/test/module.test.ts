import { describe, expect, it } from 'vitest'
import { instantiateSoftfloat, softfloatModule } from '../src/index.ts'
import { base64 } from '../src/generated/module.ts'

/** Section numbers of a module (WebAssembly core specification 5.5.2). */
function sections(bytes: Uint8Array): number[] {
  const ids: number[] = []
  for (let at = 8; at < bytes.length;) {
    ids.push(bytes[at++]!)
    let size = 0
    for (let shift = 0; ; shift += 7) {
      const b = bytes[at++]!
      size += (b & 0x7f) * 2 ** shift
      if (b < 0x80) break
    }
    at += size
  }
  return ids
}

describe('the module', () => {
  it('imports nothing and has no memory, table, start or data: it cannot touch guest state', () => {
    expect(WebAssembly.Module.imports(softfloatModule())).toEqual([])
    const ids = sections(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)))
    for (const forbidden of [2, 4, 5, 8, 9, 11, 12]) expect(ids).not.toContain(forbidden)
  })

  it('exports functions and mutable globals only', () => {
    const kinds = new Set(WebAssembly.Module.exports(softfloatModule()).map((e) => e.kind))
    expect([...kinds].sort()).toEqual(['function', 'global'])
  })

  it('keeps the flags of one instance from another', () => {
    const [a, b] = [instantiateSoftfloat(), instantiateSoftfloat()]
    a.f64_div(0x3ff0000000000000n, 0n, 0x1f80)
    expect([a.flags.value, b.flags.value]).toEqual([4, 0])
  })

  it('ORs exceptions into flags and never clears them', () => {
    const x = instantiateSoftfloat()
    x.flags.value = 2
    x.f32_div(0x3f800000, 0x40400000, 0x1f80)
    expect(x.flags.value).toBe(0x22)
  })
})

describe('the fast path, with PE already raised,', () => {
  it('gives the values of the slow path in every rounding mode', () => {
    const x = instantiateSoftfloat()
    let state = 88172645463325252n
    const random = (): bigint => {
      state ^= BigInt.asUintN(64, state << 13n)
      state ^= state >> 7n
      state ^= BigInt.asUintN(64, state << 17n)
      return state
    }
    for (let k = 0; k < 20000; k++) {
      const [a, b] = [random(), random()]
      const near = BigInt.asUintN(64, (a & ~(0x3ffn << 52n)) ^ (b & (7n << 52n)))
      for (const op of ['f64_add', 'f64_sub', 'f64_mul', 'f64_div'] as const) {
        for (const other of [b, near]) {
          const mxcsr = 0x1f80 | ((k & 3) << 13)
          x.flags.value = 0
          const slow = x[op](a, other, mxcsr)
          const raised = x.flags.value
          x.flags.value = 0x20
          expect(x[op](a, other, mxcsr)).toBe(slow)
          expect(x.flags.value).toBe(raised | 0x20)
        }
      }
    }
  })
})

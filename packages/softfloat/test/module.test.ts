import { describe, expect, it } from 'vitest'
import { instantiateSoftfloat, softfloatModule } from '../src/index.ts'
import { base64 } from '../src/generated/module.ts'
import { Random } from './oracle/cases.ts'

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

/** Sign, significand and exponent of a finite double: value = s * 2^e. */
function parts(v: bigint): [bigint, number] {
  const e = Number((v >> 52n) & 0x7ffn)
  const m = (v & 0xfffffffffffffn) | (e ? 1n << 52n : 0n)
  return [v >> 63n ? -m : m, Math.max(e, 1) - 1075]
}
/** Whether two numbers m * 2^e are equal. */
function same([m, e]: [bigint, number], [n, f]: [bigint, number]): boolean {
  return e >= f ? m << BigInt(e - f) === n : n << BigInt(f - e) === m
}

describe('rounding to nearest, where the host does the arithmetic,', () => {
  it('raises PE exactly when the result is not the exact sum, product, quotient or root', () => {
    const x = instantiateSoftfloat()
    const r = new Random(4711)
    const seen = { exact: 0, inexact: 0 }
    const broken: string[] = []
    const law = (raised: number, exact: boolean, a: bigint, b: bigint): void => {
      if (raised !== (exact ? 0 : 0x20)) broken.push(`${a.toString(16)} ${b.toString(16)}`)
      seen[exact ? 'exact' : 'inexact']++
    }
    const raisedBy = (f: () => bigint): [[bigint, number], number] => {
      x.flags.value = 0
      return [parts(BigInt.asUintN(64, f())), x.flags.value]
    }
    for (let k = 0; k < 20000; k++) {
      // few significant bits on the one hand, many on the other
      const number = (): bigint => (BigInt(900 + r.below(200)) << 52n) | ((r.bits(52) >> BigInt(r.below(53))) << BigInt(r.below(53)) & 0xfffffffffffffn)
      const [a, b] = [number(), number()]
      const [[ma, ea], [mb, eb]] = [parts(a), parts(b)]
      const low = Math.min(ea, eb)
      const [sum, sumFlags] = raisedBy(() => x.f64_add(a, b, 0x1f80))
      law(sumFlags, same(sum, [(ma << BigInt(ea - low)) + (mb << BigInt(eb - low)), low]), a, b)
      const [product, productFlags] = raisedBy(() => x.f64_mul(a, b, 0x1f80))
      law(productFlags, same(product, [ma * mb, ea + eb]), a, b)
      const [quotient, quotientFlags] = raisedBy(() => x.f64_div(a, b, 0x1f80))
      law(quotientFlags, same([quotient[0] * mb, quotient[1] + eb], [ma, ea]), a, b)
      const [root, rootFlags] = raisedBy(() => x.f64_sqrt(a, 0x1f80))
      law(rootFlags, same([root[0] * root[0], 2 * root[1]], [ma, ea]), a, b)
    }
    expect(broken.slice(0, 3)).toEqual([])
    expect(Math.min(seen.exact, seen.inexact)).toBeGreaterThan(10000)
  })
})

describe('x87 sums', () => {
  it('round a tie to even however far the operands are apart', () => {
    const x = instantiateSoftfloat()
    const [ONE_BIT, MASKED] = [1n << 63n, 0x37f]
    // 2^64 - 1/2 lies between 2^64 - 1 and 2^64; 2^64 - 3/8 is above the tie, 2^64 - 5/8 below.
    for (const [significand, exponent, sum] of [[ONE_BIT, 0x3ffe, 0n], [3n << 62n, 0x3ffd, 0n], [5n << 61n, 0x3ffe, 1n]] as const) {
      x.f80_sub(ONE_BIT, 0x403f, significand, exponent, MASKED)
      expect([BigInt.asUintN(64, x.sigResult.value), x.expResult.value]).toEqual(sum ? [0xffffffffffffffffn, 0x403e] : [ONE_BIT, 0x403f])
    }
  })
})

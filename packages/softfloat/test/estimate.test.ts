import { describe, expect, it } from 'vitest'
import { instantiateSoftfloat } from '../src/index.ts'

const x = instantiateSoftfloat()
const value = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0]!
const bound = 1.5 / 4096

describe('RCPPS and RSQRTPS estimates', () => {
  it('stay within 1.5 * 2^-12 of the exact value over every leading fraction and exponent', () => {
    let [worst, worstRoot] = [0, 0]
    for (let bits = 0x00800000; bits < 0x7e800000; bits += 0x1f77) {
      worst = Math.max(worst, Math.abs(value(x.f32_rcp(bits)) * value(bits) - 1))
      worstRoot = Math.max(worstRoot, Math.abs(value(x.f32_rsqrt(bits)) * Math.sqrt(value(bits)) - 1))
    }
    expect(worst).toBeLessThan(bound)
    expect(worstRoot).toBeLessThan(bound)
  })

  it('give a real CPU\'s answer to every special operand and raise nothing', () => {
    x.flags.value = 0
    // operand, RCPSS, RSQRTSS
    for (const [a, rcp, rsqrt] of [
      [0, 0x7f800000, 0x7f800000], [0x80000000, 0xff800000, 0xff800000], [1, 0x7f800000, 0x7f800000], [0x80000001, 0xff800000, 0xff800000],
      [0x7fffff, 0x7f800000, 0x7f800000], [0x7f800000, 0, 0], [0xff800000, 0x80000000, 0xffc00000], [0x7f800001, 0x7fc00001, 0x7fc00001],
      [0xffc00001, 0xffc00001, 0xffc00001],
    ] as const) expect([x.f32_rcp(a) >>> 0, x.f32_rsqrt(a) >>> 0]).toEqual([rcp, rsqrt])
    expect([x.f32_rcp(0x7e800000), x.f32_rcp(0x7f7fffff), x.f32_rsqrt(0xbf800000) >>> 0]).toEqual([0, 0, 0xffc00000])
    expect(x.flags.value).toBe(0)
  })
})

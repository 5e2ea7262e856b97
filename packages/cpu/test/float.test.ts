import { differences, EXT_MXCSR, EXT_YMM, EXTENDED_DEFAULT, formsOfRow, generateCase, Random } from '@entresol/oracle'
import type { Outcome, TestCase } from '@entresol/oracle'
import { describe, expect, test } from 'vitest'
import { FLOAT } from '../src/instructions/float/index.ts'
import { MXCSR } from '../src/state/layout.ts'
import { createBench, enterLongMode } from './support/bench.ts'
import { createSubject } from './support/subject.ts'

const ALL_MASKED = 0x1f80
const IE = 1
const ZE = 4
const PE = 0x20
const DAZ = 0x40

const subject = createSubject()
const forms = FLOAT.flatMap(formsOfRow)

function withMxcsr(testCase: TestCase, mxcsr: number): Outcome {
  const extended = (testCase.extended ?? EXTENDED_DEFAULT).slice()
  new DataView(extended.buffer).setUint32(EXT_MXCSR, mxcsr, true)
  return subject.run({ ...testCase, extended })
}

const mxcsrOf = (outcome: Outcome): number => new DataView(outcome.extended.buffer).getUint32(EXT_MXCSR, true)
/** The outcome with PE set. */
function inexactAtLeast(outcome: Outcome): Outcome {
  const extended = outcome.extended.slice()
  extended[EXT_MXCSR]! |= PE
  return { ...outcome, extended }
}

/** One instruction in 64-bit mode on XMM0 and XMM1. */
function run(code: readonly number[], xmm0: readonly number[], xmm1: readonly number[], mxcsr = ALL_MASKED): { outcome: Outcome; mxcsr: number; low: number } {
  const extended = EXTENDED_DEFAULT.slice()
  const view = new DataView(extended.buffer)
  view.setUint32(EXT_MXCSR, mxcsr, true)
  xmm0.forEach((value, i) => view.setFloat64(EXT_YMM + 8 * i, value, true))
  xmm1.forEach((value, i) => view.setFloat64(EXT_YMM + 32 + 8 * i, value, true))
  const outcome = subject.run({ mode: 64, code: Uint8Array.from(code), gpr: new BigUint64Array(16), rflags: 0x202, extended, straight: true })
  return { outcome, mxcsr: mxcsrOf(outcome), low: new DataView(outcome.extended.buffer).getFloat64(EXT_YMM, true) }
}

const ADDSD = [0xf2, 0x0f, 0x58, 0xc1]
const DIVSD = [0xf2, 0x0f, 0x5e, 0xc1]
const DIVPD = [0x66, 0x0f, 0x5e, 0xc1]

describe('floating-point SIMD', () => {
  test('results of the host and of softfloat are the same in every form, and MXCSR but for PE', () => {
    let inexact = 0
    const broken: string[] = []
    forms.forEach((form, n) => {
      for (let i = 0; i < 12; i++) {
        const generated = generateCase(form, n * 1000 + i, i)
        if (!generated) continue
        // With PE clear nothing but softfloat can tell whether it is raised.
        const host = withMxcsr(generated.testCase, ALL_MASKED | PE)
        const soft = withMxcsr(generated.testCase, ALL_MASKED)
        broken.push(...differences(inexactAtLeast(soft), inexactAtLeast(host)).map((line) => `${form.name}: ${line}`))
        if (mxcsrOf(soft) & PE) inexact++
      }
    })
    expect(broken).toEqual([])
    expect(inexact).toBeGreaterThan(300)
  }, 60_000)

  test('a masked exception is sticky and the result is the default one', () => {
    const { outcome, mxcsr, low } = run(DIVSD, [1], [0])
    expect(outcome.kind).toBe('done')
    expect(low).toBe(Infinity)
    expect(mxcsr).toBe(ALL_MASKED | ZE)
  })

  test('an unmasked exception is #XM, with its flag set and the destination unchanged', () => {
    const { outcome, mxcsr, low } = run(DIVSD, [1], [0], ALL_MASKED & ~(ZE << 7))
    expect(outcome.fault).toEqual({ vector: 19, errorCode: 0 })
    expect(low).toBe(1)
    expect(mxcsr).toBe((ALL_MASKED & ~(ZE << 7)) | ZE)
  })

  test('an unmasked exception found before computing keeps the other elements from raising PE', () => {
    const unmasked = ALL_MASKED & ~(ZE << 7)
    expect(run(DIVPD, [1, 1], [0, 3]).mxcsr).toBe(ALL_MASKED | ZE | PE)
    expect(run(DIVPD, [1, 1], [0, 3], unmasked).mxcsr).toBe(unmasked | ZE)
    expect(run(DIVPD, [0, 1], [0, 3], ALL_MASKED & ~(IE << 7)).mxcsr).toBe((ALL_MASKED & ~(IE << 7)) | IE)
  })

  test('rounding follows MXCSR', () => {
    const tiny = 2 ** -60
    expect([0, 1, 2, 3].map((mode) => run(ADDSD, [1], [tiny], ALL_MASKED | (mode << 13)).low)).toEqual([1, 1, 1 + 2 ** -52, 1])
  })

  test('DAZ makes denormal operands zeros', () => {
    expect(run(DIVSD, [1], [5e-324], ALL_MASKED | DAZ).low).toBe(Infinity)
  })

  test('RCP and RSQRT are within 1.5 * 2^-12 of the truth and leave MXCSR alone', () => {
    const random = new Random(1)
    for (const [opcode, truth] of [[0x53, (x: number) => 1 / x], [0x52, (x: number) => 1 / Math.sqrt(x)]] as const) {
      for (let i = 0; i < 200; i++) {
        const extended = EXTENDED_DEFAULT.slice()
        const view = new DataView(extended.buffer)
        const operands = Array.from({ length: 4 }, (_, n) => {
          view.setUint32(EXT_YMM + 32 + 4 * n, 0x0100_0000 + random.below(0x7d00_0000), true)
          return view.getFloat32(EXT_YMM + 32 + 4 * n, true)
        })
        const outcome = subject.run({ mode: 64, code: Uint8Array.of(0x0f, opcode, 0xc1), gpr: new BigUint64Array(16), rflags: 0x202, extended })
        const results = new DataView(outcome.extended.buffer)
        operands.forEach((x, n) => expect(Math.abs(results.getFloat32(EXT_YMM + 4 * n, true) / truth(x) - 1)).toBeLessThan(1.5 * 2 ** -12))
        expect(mxcsrOf(outcome)).toBe(ALL_MASKED)
      }
    }
  })

  test('without CR4.OSXMMEXCPT an unmasked exception is #UD', () => {
    const bench = createBench()
    bench.load(0x5000, Uint8Array.from(DIVSD))
    enterLongMode(bench, 0x5000)
    const registers = bench.cpu.getRegisters()
    bench.cpu.setRegisters({ ...registers, cr4: registers.cr4 & ~0x400n })
    bench.cpu.state.setU32(MXCSR, ALL_MASKED & ~(IE << 7))
    bench.cpu.intercepts.exceptions = -1
    expect(bench.cpu.run(1)).toMatchObject({ reason: 'intercept', event: { kind: 'exception', vector: 6 } })
  })
})

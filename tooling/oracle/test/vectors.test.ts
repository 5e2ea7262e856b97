import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { EXTENDED_DEFAULT } from '../src/case.ts'
import type { Outcome } from '../src/case.ts'
import { differences } from '../src/compare.ts'
import { formsOfRow } from '../src/forms.ts'
import { fuzzRound } from '../src/fuzz.ts'
import { generateCase } from '../src/generate.ts'
import { hostCpu } from '../src/features.ts'
import { recordFamily } from '../src/record.ts'
import { stateFromSeed } from '../src/seed-state.ts'
import { defaultSegments } from '../src/segments.ts'
import type { Vector } from '../src/vectors.ts'
import { readVectors, seedOf, writeVectors } from '../src/vectors.ts'
import { realCpuOrSkip } from './harness.ts'
import { SAMPLE_ROWS } from './sample-rows.ts'

const forms = SAMPLE_ROWS.flatMap(formsOfRow)

/** An outcome without a CPU: every register complemented, one byte stored, every third case faulting. */
function invented(vector: Omit<Vector, 'outcome'>, index: number): Vector {
  const { testCase } = vector
  const extended = (testCase.extended ?? EXTENDED_DEFAULT).slice()
  extended[100] = (extended[100] as number) ^ index
  const base = {
    gpr: testCase.gpr.map((value) => BigInt.asUintN(64, value * 3n + BigInt(index))), rip: BigInt(0x10_0000 + index), rflags: testCase.rflags ^ 1,
    segments: { ...(testCase.segments ?? defaultSegments(testCase.mode)), ds: index & 0xffff }, extended,
    memory: [{ address: 0x20_0000 + index, bytes: Uint8Array.of(index & 0xff) }],
  }
  const outcome: Outcome = index % 3 ? { ...base, kind: 'done' } : { ...base, kind: 'fault', fault: { vector: 14, errorCode: 6, address: 0x20_2000n } }
  return { ...vector, outcome }
}

function sample(count: number): Vector[] {
  return Array.from({ length: count }, (_, i) => {
    for (let n = 0; ; n++) {
      const generated = generateCase(forms[i % forms.length]!, seedOf(7, i) + n, i)
      if (generated) return invented({ ...generated, form: { name: generated.form.name, needs: generated.form.needs } }, i)
    }
  })
}

describe('a vector file', () => {
  test('gives back every case and outcome that was written', async () => {
    const vectors = sample(2000)
    const file = await readVectors(await writeVectors({ family: 'f', origin: 'none', baseSeed: 7 }, vectors))
    expect(file.header).toMatchObject({ family: 'f', origin: 'none', baseSeed: 7, count: 2000 })
    for (const [i, vector] of file.vectors.entries()) {
      const expected = vectors[i]!
      expect(vector.testCase).toEqual(expected.testCase)
      expect(differences(expected.outcome, vector.outcome)).toEqual([])
      expect([vector.form, vector.seed, vector.undefinedFlags]).toEqual([expected.form, expected.seed, expected.undefinedFlags])
    }
  })

  test('refuses damage with a coded error, never another one', async () => {
    const good = await writeVectors({ family: 'f', origin: 'none', baseSeed: 7 }, sample(20))
    await expect(readVectors(good.slice(0, good.length >> 1))).rejects.toMatchObject({ code: 'ERR_ORACLE_VECTORS' })
    await fc.assert(fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const bad = good.slice()
      bad[at] = (bad[at] as number) ^ flip
      await readVectors(bad).catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_ORACLE_VECTORS' }))
    }), { numRuns: 150 })
  })

  test('keeps the states of seeds: what committed files mean does not move', () => {
    const state = stateFromSeed(1, { mode: 64 })
    expect([...state.gpr].map((value) => value.toString(16)).join(' ')).toMatchInlineSnapshot(`"8000 6f6f6f6f6f6f6f6f ebb0803a ffffffffffff8000 201648 7f 1 9c19e6eb80246658 f 7fffffffffffffff 0 339c5b06d1126f99 f7f7f7f7f7f7f7f7 ebb0803a 80000000001 7fff"`)
    const vector = stateFromSeed(2, { mode: 64, x87: true, sse: true, avx: true, fill: 'f64' }).extended!
    expect(Array.from(vector, (byte) => byte.toString(16).padStart(2, '0')).join('').slice(0, 256)).toMatchInlineSnapshot(`"7f030014ff000000801f0000000000004280d240d287aaebffbf4280d240d287aaebffbf4f77f61c7d7c4bf800c07689d72912153f71000000000000000000000e400000000000000080ffff0000000000000080fffffffffffffffffffffeffffffffffffffefff65e84ede280e3f40000000000000f03f000000000000e041"`)
  })
})

const cpu = await realCpuOrSkip()
afterAll(() => cpu?.stop())

describe.skipIf(!cpu)('recording', () => {
  test('encodes every shape of row as exactly one instruction the CPU knows', async () => {
    const { features } = await hostCpu()
    const { vectors, reports } = await recordFamily(cpu!, forms, { baseSeed: 1, casesPerForm: 100, features })
    expect(reports.filter((report) => report.dropped > 0)).toEqual([])
    // MOV CS is #UD on purpose, and a gather whose registers overlap.
    const suspicious = reports.filter((report) => report.invalidOpcode > 10 && !/^MOV Sw|GATHER/.test(report.form))
    expect(suspicious).toEqual([])
    const size = (await writeVectors({ family: 'all', origin: 'test', baseSeed: 1 }, vectors)).length
    expect(size / vectors.length).toBeLessThan(25)
    const again = await cpu!.run(vectors.map((vector) => vector.testCase))
    vectors.forEach((vector, i) => expect(differences(vector.outcome, again[i]!, vector.undefinedFlags)).toEqual([]))
  })

  test('finds a subject that forgets a flag, and minimises the case', async () => {
    const add = formsOfRow(SAMPLE_ROWS[0]!)
    const known = new Map<object, Outcome>()
    const judge = {
      run: async (cases: Parameters<NonNullable<typeof cpu>['run']>[0]) => {
        const outcomes = await cpu!.run(cases)
        cases.forEach((c, i) => known.set(c, outcomes[i]!))
        return outcomes
      },
    }
    const forgetful = { run: (c: object): Outcome => ({ ...known.get(c)!, rflags: known.get(c)!.rflags & ~1 }) }
    const { findings, compared } = await fuzzRound(judge, forgetful, add, 1, 200)
    expect(compared).toBeGreaterThan(150)
    expect(findings.length).toBeGreaterThan(10)
    expect(findings[0]!.differences).toEqual([expect.stringContaining('rflags')])
    expect(findings[0]!.minimal.memory).toBeUndefined()
  })
})

import { describe, expect, it } from 'vitest'
import { instantiateSoftfloat } from '../src/index.ts'
import { readGolden, type Golden } from './oracle/golden.ts'
import { agrees, answer, operations } from './oracle/operations.ts'
import { describeAnswer, describeCase } from './oracle/run.ts'

const x = instantiateSoftfloat()
const cases = new Map<number, Golden[]>()
for (const g of readGolden()) cases.set(g.operation.op, [...(cases.get(g.operation.op) ?? []), g])

describe('values, flags and condition bits are those of a real CPU (golden cases)', () => {
  for (const o of operations) {
    it(o.name, () => {
      const mine = cases.get(o.op)!
      expect(mine.length).toBeGreaterThanOrEqual(300)
      const wrong = mine.filter((g) => !agrees(o, g.q, answer(x, o, g.q), g.cpu))
      expect(wrong.slice(0, 3).map((g) => `${describeCase(g.q)}: ${describeAnswer(answer(x, o, g.q))}, CPU ${describeAnswer(g.cpu)}`)).toEqual([])
    })
  }
})

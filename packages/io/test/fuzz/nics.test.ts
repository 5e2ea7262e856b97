import { describe, it } from 'vitest'
import { fuzzNic, NICS } from '../../fuzz/nics.ts'

/** Longer: `node fuzz/run.ts --device e1000 --seconds 600 --seed 1`. */
describe.each(Object.keys(NICS))('%s with a driver that means ill', (name) => {
  it.each([1, 2, 3, 4, 5])('never throws, moves and sends a bounded amount for each access, survives snapshots (seed %i)', (seed) => fuzzNic(name, seed, 2000))
})

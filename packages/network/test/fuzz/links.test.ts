import { describe, it } from 'vitest'
import { LINK_FUZZERS } from '../../fuzz/links.ts'

/** Longer: `node fuzz/run.ts --target switch --seconds 600 --seed 1`. */
describe.each(Object.keys(LINK_FUZZERS))('%s under frames of any kind', (name) => {
  it.each([1, 2, 3, 4, 5])('never throws, holds a bounded amount, gives receivers what they take (seed %i)', async (seed) => LINK_FUZZERS[name]!(seed, 300))
})

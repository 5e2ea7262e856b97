import { describe, it } from 'vitest'
import { PARSER_FUZZERS } from '../../fuzz/parsers.ts'

/** A taste of it; `node fuzz/run.ts --seconds 600` is the meal. */
describe('inputs made of good ones by mistakes', () => {
  it.each(Object.entries(PARSER_FUZZERS))('do no harm to %s', (_name, fuzz) => {
    for (const seed of [1001, 1002]) fuzz(seed, 1500)
  })
})

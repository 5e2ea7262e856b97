import { describe, it } from 'vitest'
import { fuzzImage, IMAGE_KINDS } from '../../fuzz/images.ts'

describe('damaged images', () => {
  for (const kind of IMAGE_KINDS) {
    it(`of kind ${kind} give coded errors at most, soon, in little memory`, async () => {
      for (let seed = 1; seed <= 12; seed++) await fuzzImage(kind, seed)
    })
  }
})

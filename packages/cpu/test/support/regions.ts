import { REGION_BAILED } from '../../src/interpreter/records.ts'
import { Translator } from '../../src/translator/translator.ts'

/** How often interpreters entered translated regions, and how they came back. */
export interface RegionCounts {
  entered: number
  /** Left at an instruction that the interpreter had to carry out. */
  bailed: number
}

/** Counts for vCPUs that `create` makes. */
export function countingRegions<T>(counts: RegionCounts, create: () => T): T {
  const original = Object.getOwnPropertyDescriptor(Translator.prototype, 'enter')!
  Object.defineProperty(Translator.prototype, 'enter', {
    ...original,
    get(this: Translator) {
      const enter = original.get!.call(this) as Translator['enter']
      return ((...args) => {
        counts.entered++
        const status = enter(...args)
        if (status === REGION_BAILED) counts.bailed++
        return status
      }) satisfies Translator['enter']
    },
  })
  try {
    return create()
  } finally {
    Object.defineProperty(Translator.prototype, 'enter', original)
  }
}

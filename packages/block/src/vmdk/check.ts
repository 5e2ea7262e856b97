import { CodedError } from '@entresol/kit'
import { Claims } from '../mapped/claims.ts'
import type { SparseMap } from './sparse-map.ts'
import { GTE_ABSENT, GTES_PER_GT } from './spec.ts'

/** Grains and grain tables lie inside the file and at one place each. */
export async function checkExtent(map: SparseMap, size: number, corrupt: (message: string) => void): Promise<{ total: number; allocated: number }> {
  const claims = new Claims()
  const total = Math.ceil(size / map.blockSize)
  let allocated = 0
  const isThere = (entry: number, what: string): boolean => {
    if (!map.plausible(entry)) corrupt(`${what} is said to be at sector ${entry} of the file, which is not there`)
    else if (claims.claim(entry)) return true
    else corrupt(`${what} is at sector ${entry} of the file, where something else is too`)
    return false
  }
  for (let first = 0; first < total; first += GTES_PER_GT) {
    const table = await map.directoryEntry(first / GTES_PER_GT)
    // A table that was looked at before is not looked at again: else a short file could keep this going for hours.
    if (table === GTE_ABSENT || map.isZero(table) || !isThere(table, `grain table ${first / GTES_PER_GT}`)) continue
    try {
      for (let index = first; index < Math.min(total, first + GTES_PER_GT); index++) {
        const found = map.entry(index)
        const entry = found instanceof Promise ? await found : found
        if (entry !== GTE_ABSENT && !map.isZero(entry) && isThere(entry, `grain ${index}`)) allocated++
      }
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'bad-image') throw error
      corrupt(error.message)
    }
  }
  return { total, allocated }
}

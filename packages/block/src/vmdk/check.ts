import { Claims } from '../mapped/claims.ts'
import type { SparseMap } from './sparse-map.ts'
import { GTE_ABSENT } from './spec.ts'

/** Grains lie inside the file and at one place each. */
export async function checkExtent(map: SparseMap, size: number, corrupt: (message: string) => void): Promise<{ total: number; allocated: number }> {
  const claims = new Claims()
  const total = Math.ceil(size / map.blockSize)
  let allocated = 0
  for (let index = 0; index < total;) {
    const found = map.entry(index)
    const entry = found instanceof Promise ? await found : found
    if (entry === GTE_ABSENT || map.isZero(entry)) {
      const { length } = await map.locate(index * map.blockSize, size - index * map.blockSize)
      index += Math.ceil(length / map.blockSize)
      continue
    }
    if (!map.plausible(entry)) corrupt(`grain ${index} is said to be at sector ${entry} of the file, which is not there`)
    else if (!claims.claim(entry)) corrupt(`grain ${index} is at sector ${entry} of the file, where another grain is too`)
    else allocated++
    index++
  }
  return { total, allocated }
}

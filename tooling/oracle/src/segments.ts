import type { Segments } from './case.ts'
import { CS_32, CS_64, DATA_SELECTOR, FS_BASE_DEFAULT, GS_BASE_DEFAULT } from './layout.ts'

/** What a case without `segments` runs with. */
export function defaultSegments(mode: 64 | 32): Segments {
  const data = DATA_SELECTOR
  if (mode === 32) return { es: data, cs: CS_32, ss: data, ds: data, fs: data, gs: data, fsBase: 0n, gsBase: 0n }
  return { es: data, cs: CS_64, ss: data, ds: data, fs: 0, gs: 0, fsBase: BigInt(FS_BASE_DEFAULT), gsBase: BigInt(GS_BASE_DEFAULT) }
}

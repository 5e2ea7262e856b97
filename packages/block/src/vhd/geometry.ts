import { MAX_GEOMETRY } from './spec.ts'

/** Cylinders, heads, sectors a track. */
export type Geometry = readonly [cylinders: number, heads: number, sectors: number]

export const sectorsOf = ([cylinders, heads, sectors]: Geometry): number => cylinders * heads * sectors

/** The geometry of a disk of so many sectors, which may hold a few less ("Appendix: CHS Calculation"). */
export function geometryOf(totalSectors: number): Geometry {
  const total = Math.min(totalSectors, sectorsOf(MAX_GEOMETRY))
  if (total >= 65535 * 16 * 63) return fit(total, 16, 255)
  const tracks = Math.floor(total / 17)
  const heads = Math.max(4, Math.ceil(tracks / 1024))
  if (heads <= 16 && tracks < heads * 1024) return fit(total, heads, 17)
  if (Math.floor(total / 31) < 16 * 1024) return fit(total, 16, 31)
  return fit(total, 16, 63)
}

const fit = (total: number, heads: number, sectors: number): Geometry => [Math.floor(Math.floor(total / sectors) / heads), heads, sectors]

/** The smallest disk of at least `sectors` sectors whose geometry holds all of it. The largest geometry stands for every size. */
export function roundToGeometry(sectors: number): number {
  const largest = sectorsOf(MAX_GEOMETRY)
  let total = sectorsOf(geometryOf(sectors))
  for (let more = sectors + 1; total < Math.min(sectors, largest); more++) total = sectorsOf(geometryOf(more))
  return total === largest ? sectors : total
}

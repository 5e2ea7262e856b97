import type { ByteStore } from '@entresol/interfaces'
import type { CheckResult } from '../format.ts'
import { Findings } from '../mapped/findings.ts'
import { SECTOR } from '../support/range.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import type { Footer } from './footer.ts'
import { BLOCK_UNUSED, FOOTER_LENGTH } from './spec.ts'
import type { VhdMap } from './vhd-map.ts'

export interface CheckParts {
  readonly store: ByteStore
  readonly footer: Footer
  readonly header: DynamicHeader
  readonly map: VhdMap
  /** Bytes of the disk. */
  readonly size: number
  readonly repair: boolean
}

/** Blocks lie apart from each other and from the tables, and the footer is there twice. */
export async function checkVhd({ store, footer, header, map, size, repair }: CheckParts): Promise<CheckResult> {
  const findings = new Findings()
  const blocks = Math.ceil(size / header.blockSize)
  const starts: number[] = []
  for (let index = 0; index < blocks; index++) {
    const found = map.entry(index)
    const entry = found instanceof Promise ? await found : found
    if (entry === BLOCK_UNUSED) continue
    if (map.plausible(entry)) starts.push(entry)
    else findings.corrupt(`block ${index} is said to be at sector ${entry} of the file, where none can be`)
  }
  const allocated = starts.length
  starts.sort((a, b) => a - b)
  const length = (map.bitmapLength + header.blockSize) / SECTOR
  for (let at = 1; at < allocated; at++) {
    if (starts[at]! - starts[at - 1]! < length) findings.corrupt(`the blocks at sectors ${starts[at - 1]} and ${starts[at]} of the file overlap`)
  }
  const end = await map.end()
  for (const [offset, what] of [[end, 'footer'], [0, "footer's copy"]] as const) {
    const bytes = new Uint8Array(FOOTER_LENGTH)
    await store.read(offset, bytes)
    if (bytes.every((byte, index) => byte === footer.bytes[index])) continue
    findings.corrupt(`the ${what} at ${offset} is missing or another`)
    if (!repair) continue
    await store.write(offset, footer.bytes)
    await store.flush()
    findings.fixed()
  }
  return findings.result({ imageEndOffset: end + FOOTER_LENGTH, totalClusters: blocks, allocatedClusters: allocated })
}

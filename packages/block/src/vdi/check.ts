import type { ByteStore } from '@entresol/interfaces'
import type { CheckResult } from '../format.ts'
import { Claims } from '../mapped/claims.ts'
import { Findings } from '../mapped/findings.ts'
import type { PageCache } from '../mapped/page-cache.ts'
import type { VdiHeader } from './header.ts'
import { BLOCK_ZERO, HEADER_LENGTH, VDI } from './spec.ts'
import type { VdiMap } from './vdi-map.ts'

/** Every block of the file belongs to one block of the disk at most, and the header counts them right. */
export async function checkVdi(header: VdiHeader, map: VdiMap, pages: PageCache, store: ByteStore, repair: boolean): Promise<CheckResult> {
  const findings = new Findings()
  const claims = new Claims()
  let allocated = 0
  let next = 0
  for (let index = 0; index < header.blocks; index++) {
    const found = map.entry(index)
    const entry = found instanceof Promise ? await found : found
    if (entry >= BLOCK_ZERO) continue
    const at = header.offsetData + entry * header.blockSize
    if (entry >= header.blocks || at >= store.size) {
      findings.corrupt(`block ${index} is said to be block ${entry} of the file, which is not there`)
      continue
    }
    if (!claims.claim(entry)) findings.corrupt(`block ${index} is block ${entry} of the file, which another block is too`)
    allocated++
    next = Math.max(next, entry + 1)
  }
  const page = await pages.get(0, HEADER_LENGTH)
  const counted = page.view.getUint32(VDI.blocksAllocated, true)
  if (counted !== allocated) {
    findings.corrupt(`the header counts ${counted} blocks in use, there are ${allocated}`)
    // Writers take the count as the number of the next new block.
    if (repair && next === allocated) {
      page.view.setUint32(VDI.blocksAllocated, allocated, true)
      pages.touch(page)
      await pages.commit()
      findings.fixed()
    }
  }
  return findings.result({ imageEndOffset: header.offsetData + next * header.blockSize, totalClusters: header.blocks, allocatedClusters: allocated })
}

import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { CheckResult } from '../format.ts'
import { Findings } from '../mapped/findings.ts'
import { PAYLOAD_FULLY_PRESENT, PAYLOAD_PARTIALLY_PRESENT } from './spec.ts'
import type { VhdxMap } from './vhdx-map.ts'

/** Blocks are in states that can be, and lie inside the file and apart from each other and from the tables. */
export async function checkVhdx(map: VhdxMap, size: number, store: ByteStore): Promise<CheckResult> {
  const findings = new Findings()
  const blocks = Math.ceil(size / map.blockSize)
  const starts: number[] = []
  for (let index = 0; index < blocks; index++) {
    try {
      const found = map.entry(index)
      const { state, offset } = found instanceof Promise ? await found : found
      if (state === PAYLOAD_FULLY_PRESENT || state === PAYLOAD_PARTIALLY_PRESENT) starts.push(offset)
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'bad-image') throw error
      findings.corrupt(error.message)
    }
  }
  starts.sort((a, b) => a - b)
  for (let at = 1; at < starts.length; at++) {
    if (starts[at]! - starts[at - 1]! < map.blockSize) findings.corrupt(`the blocks at ${starts[at - 1]} and ${starts[at]} in the file overlap`)
  }
  return findings.result({ imageEndOffset: store.size, totalClusters: blocks, allocatedClusters: starts.length })
}

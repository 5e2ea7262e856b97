import {
  ACCESS_FETCH, ACCESS_USER, ACCESS_WRITE, RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE,
} from '@entresol/interfaces'
import type { PageWalker } from '@entresol/interfaces'
import { PFEC_ID, PFEC_P, PFEC_US, PFEC_WR } from '@entresol/x86'
import type { FlatMemory } from './flat-memory.ts'

/** The rights of a FlatMemory as the pages of a program in user mode; no table is read, and control registers change nothing. One per vCPU. */
export class FlatWalker implements PageWalker {
  physicalLow = 0
  readonly physicalHigh = 0
  rights = 0
  readonly global = 0
  readonly pageShift = 12
  frame = -1
  readonly #memory: FlatMemory

  constructor(memory: FlatMemory) {
    this.#memory = memory
  }

  configure(): boolean {
    return true
  }

  walk(linearLow: number, linearHigh: number, access: number): number {
    const low = linearLow >>> 0
    const memory = this.#memory
    const rights = linearHigh === 0 ? memory.rightsAt(low) : 0
    const wanted = access & ACCESS_FETCH ? RIGHT_EXECUTE : access & ACCESS_WRITE ? RIGHT_WRITE : RIGHT_READ
    if (!(rights & wanted)) {
      return (rights ? PFEC_P : 0) | (access & ACCESS_WRITE ? PFEC_WR : 0) | (access & ACCESS_USER ? PFEC_US : 0) | (access & ACCESS_FETCH ? PFEC_ID : 0)
    }
    this.physicalLow = low
    this.rights = rights
    this.frame = memory.machine + ((low & ~0xfff) >>> 0) - memory.linear
    return -1
  }
}

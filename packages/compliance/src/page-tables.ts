import type { Gpa } from '@entresol/interfaces'
import type { PageWalkerSubject } from './page-walker.ts'

// Control-register bits, repeated here so that the suite does not test an implementation against its own constants (Intel SDM vol. 3A, 2.5).
export const CR0_WP: number = 1 << 16
export const CR4_PSE = 0x10
export const CR4_PAE = 0x20
export const CR4_PGE = 0x80
export const CR4_LA57 = 0x1000
export const CR4_SMEP = 0x100000
export const CR4_SMAP = 0x200000
export const EFER_LME = 0x100
export const EFER_NXE = 0x800

/** Writes paging structures into a subject's memory and switches modes. */
export class Tables {
  readonly #subject: PageWalkerSubject

  constructor(subject: PageWalkerSubject) {
    this.#subject = subject
  }

  put32(address: number, value: bigint): void {
    this.#subject.memory.writeU32(address as Gpa, Number(value))
  }

  put64(address: number, value: bigint): void {
    this.#subject.memory.writeU64(address as Gpa, value)
  }

  get64(address: number): bigint {
    return this.#subject.memory.readU64(address as Gpa)
  }

  /** Entry 0 of the tables at 0x1000, 0x2000, 0x3000 and 0x4000, each but the one at index `leaf` pointing to the next. */
  chain(entries: bigint[], leaf = 3): void {
    entries.forEach((flags, index) => {
      this.put64(0x1000 * (index + 1), index < leaf ? flags | BigInt(0x1000 * (index + 2)) : flags)
    })
  }

  /** The A and D flags of `chain`'s entries. */
  expectChain(flags: bigint[], what: string, violated: (detail: string) => void): void {
    flags.forEach((expected, index) => {
      const found = this.get64(0x1000 * (index + 1)) & 0x60n
      if (found !== expected) violated(`${what}: A and D at level ${4 - index} are ${found.toString(16)}, not ${expected.toString(16)}`)
    })
  }

  configure(mode: 32 | 'pae' | 4 | 5, cr3: number, more: { cr0?: number; cr4?: number; efer?: number; bits?: number }): void {
    const { cr0 = 0, cr4 = 0, efer = 0, bits = 40 } = more
    this.#subject.walker.configure({
      cr0: cr0 | 0x80000001,
      cr3Low: cr3 | 0,
      cr3High: 0,
      cr4: cr4 | (mode === 32 ? 0 : CR4_PAE) | (mode === 5 ? CR4_LA57 : 0),
      efer: efer | (mode === 4 || mode === 5 ? EFER_LME | 0x400 : 0),
      physicalAddressBits: bits,
    })
  }
}

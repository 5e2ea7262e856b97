import type { CodeCache, CodePageId } from '../code/code-cache.ts'
import type { DecodedInstruction } from '../decode/decoder.ts'
import type { CodeSpace } from './region.ts'

/** Pages of one region: more make its entry slower, which checks that each is still mapped as it was. */
const MAX_PAGES = 5
const PAGE = 4096

/** Which page of code is mapped `distance` bytes from the head's page now; undefined: none that was executed. */
export type FindPage = (distance: number) => CodePageId | undefined

/** The code cache as a region sees it: pages around the head's, as they are mapped now. */
export class MappedCode implements CodeSpace {
  readonly #code: CodeCache
  readonly #find: FindPage
  readonly #heat: (page: CodePageId, offset: number) => boolean
  readonly #decoded = new Map<number, DecodedInstruction | null>()
  /** By distance from the head's page, in bytes. */
  readonly pages: Map<number, CodePageId> = new Map()
  /** Bytes at the start of a page that belong to an instruction which begins on the page before. */
  readonly tails: Map<CodePageId, number> = new Map()

  constructor(code: CodeCache, home: CodePageId, find: FindPage, heat: (page: CodePageId, offset: number) => boolean) {
    this.#code = code
    this.#find = find
    this.#heat = heat
    this.pages.set(0, home)
  }

  #page(offset: number): CodePageId | undefined {
    const distance = offset & ~(PAGE - 1)
    const known = this.pages.get(distance)
    if (known || this.pages.size === MAX_PAGES) return known
    const found = this.#find(distance)
    if (found) this.pages.set(distance, found)
    return found
  }

  at(offset: number): DecodedInstruction | undefined {
    let known = this.#decoded.get(offset)
    if (known === undefined) this.#decoded.set(offset, known = this.#decode(offset) ?? null)
    return known ?? undefined
  }

  #decode(offset: number): DecodedInstruction | undefined {
    const page = this.#page(offset)
    if (!page) return undefined
    const at = offset & (PAGE - 1)
    if (!this.#code.crosses(page, at)) return this.#code.instructionAt(page, at)
    const next = this.#page(offset + PAGE)
    const i = next && this.#code.instructionAcross(page, at, next)
    if (next && i) this.tails.set(next, Math.max(this.tails.get(next) ?? 0, at + i.length - PAGE))
    return i
  }

  hasRegion(offset: number): boolean {
    const page = this.#page(offset)
    return page !== undefined && this.#code.hasRegion(page, offset & (PAGE - 1))
  }

  isHot(offset: number): boolean {
    const page = this.#page(offset)
    return page !== undefined && this.#heat(page, offset & (PAGE - 1))
  }
}

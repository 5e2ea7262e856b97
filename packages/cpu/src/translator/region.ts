import type { CodePageId } from '../code/code-cache.ts'
import type { DecodedInstruction } from '../decode/decoder.ts'

/**
 * Code around the head of a region, by offset from the first byte of the head's page. Pages at a fixed distance belong to it as long as
 * the linear addresses are mapped as they are now; which ones a region came to use, `pages` of the implementation knows.
 */
export interface CodeSpace {
  /** The instruction at an offset; undefined where none was decoded yet or it is none of the guest's alone. */
  at(offset: number): DecodedInstruction | undefined
  /** Another region begins there already. */
  hasRegion(offset: number): boolean
  /** Control arrives there often. */
  isHot(offset: number): boolean
}

/** A straight run: control enters at its start and leaves at its end. */
export interface Block {
  readonly offset: number
  readonly instructions: readonly DecodedInstruction[]
  /** Offset behind the last instruction. */
  readonly end: number
  /** Offset a relative branch at the end goes to; it may lie outside the region. */
  readonly target: number | undefined
  /** Control never falls through to `end`. */
  readonly ends: boolean
  /** A return: offsets it is likely to go to, behind the calls of this region. */
  readonly returns: readonly number[]
}

/** Hot code as a graph of blocks, in order of offset. */
export interface Region {
  readonly blocks: readonly Block[]
  /** Blocks control may enter: the head first, loop heads, places behind calls and behind what the interpreter does. */
  readonly entries: readonly number[]
  /** Blocks by successor in this region. */
  readonly successors: readonly (readonly number[])[]
}

/** A region with what it is translated for. */
export interface RegionCode {
  readonly region: Region
  /** Where it begins, in the address space it was found in. */
  readonly rip: bigint
  /** Its place in the table of regions. */
  readonly slot: number
  readonly mode: number
  /** Pages of code it was made from, by distance in bytes from the head's. */
  readonly pages: ReadonlyMap<number, CodePageId>
}

/** How far from the head's page the region or its relative branches reach, in bytes. */
export const reachOf = (region: Region): number =>
  region.blocks.reduce((reach, block) => Math.max(reach, Math.abs(block.offset), block.end, Math.abs(block.target ?? 0)), 4096)

const MAX_INSTRUCTIONS = 300
/** Calls whose callee becomes part of the region. */
const MAX_CALLS = 12
/** Places a return is compared with. */
const MAX_RETURNS = 4

/** What a region does not contain: rows that TypeScript carries out, and branches that cut their target to 16 bits. */
const isHosted = (i: DecodedInstruction): boolean =>
  i.variant.row.emit.hosted === true || (i.variant.width === 16 && i.variant.operands.some((o) => o.kind === 'relative'))
const isCall = (i: DecodedInstruction): boolean => i.variant.row.mnemonic === 'CALL'
const isReturn = (i: DecodedInstruction): boolean => i.variant.row.mnemonic === 'RET'
const targetOf = (i: DecodedInstruction, offset: number): number | undefined =>
  i.variant.operands.some((o) => o.kind === 'relative') ? offset + i.length + Number(i.immediate) : undefined

/** Collects what is reachable from `head`, as far as it has been executed; undefined when that is nothing to translate. */
export function formRegion(space: CodeSpace, head: number): Region | undefined {
  return new Former(space, head).form()
}

class Former {
  readonly #space: CodeSpace
  readonly #head: number
  readonly #instructions = new Map<number, DecodedInstruction>()
  readonly #leaders: Set<number>
  readonly #entries: Set<number>
  readonly #backTargets = new Set<number>()
  /** Leaders to go on at, with the function they belong to: the head or the target of a call. */
  readonly #work: { offset: number; root: number }[]
  /** Functions whose instructions are here, by the leader they were found from. */
  readonly #roots = new Map<number, number>()
  /** Calls into the region: return sites by callee. */
  readonly #sites = new Map<number, number[]>()
  #calls = 0

  constructor(space: CodeSpace, head: number) {
    this.#space = space
    this.#head = head
    this.#leaders = new Set([head])
    this.#entries = new Set([head])
    this.#work = [{ offset: head, root: head }]
  }

  form(): Region | undefined {
    // Breadth first: what is near the head is likelier to belong to it than what is far down one path.
    for (let next = this.#work.shift(); next && this.#instructions.size < MAX_INSTRUCTIONS; next = this.#work.shift()) this.#run(next.offset, next.root)
    return this.#instructions.has(this.#head) ? this.#assemble() : undefined
  }

  /** Makes `offset` the start of a block if it is code we know; true if it is one. */
  #follow(offset: number, root: number, even: boolean): boolean {
    if (this.#leaders.has(offset)) return true
    if (this.#instructions.has(offset)) {
      this.#leaders.add(offset)
      return true
    }
    if ((!even && this.#space.hasRegion(offset)) || !this.#space.at(offset)) return false
    this.#leaders.add(offset)
    this.#work.push({ offset, root })
    return true
  }

  #run(start: number, root: number): void {
    for (let offset = start; this.#instructions.size < MAX_INSTRUCTIONS;) {
      if (this.#instructions.has(offset)) {
        this.#leaders.add(offset)
        return
      }
      // What another region has is left to it, callees excepted: they are worth having twice.
      if (offset !== start && root === this.#head && this.#space.hasRegion(offset)) return
      const i = this.#space.at(offset)
      if (!i) return
      const next = offset + i.length
      const { ends } = i.variant.row.options
      if (isHosted(i)) {
        if (!ends && this.#follow(next, root, root !== this.#head)) this.#entries.add(next)
        return
      }
      this.#instructions.set(offset, i)
      this.#roots.set(offset, root)
      const target = targetOf(i, offset)
      if (isCall(i)) {
        this.#call(target, next, root)
        return
      }
      if (target !== undefined) {
        this.#follow(target, root, root !== this.#head)
        if (target <= offset) this.#backTargets.add(target)
      }
      if (ends) return
      if (target !== undefined) {
        this.#follow(next, root, root !== this.#head)
        return
      }
      offset = next
    }
  }

  #call(target: number | undefined, next: number, root: number): void {
    const returns = this.#follow(next, root, root !== this.#head)
    if (returns) this.#entries.add(next)
    if (target === undefined || !returns || this.#calls >= MAX_CALLS || target === this.#head) return
    const sites = this.#sites.get(target)
    if (sites) {
      if (sites.length < MAX_RETURNS) sites.push(next)
      return
    }
    if (!this.#space.isHot(target) || !this.#follow(target, target, true)) return
    this.#calls++
    this.#sites.set(target, [next])
  }

  #assemble(): Region {
    const instructions = this.#instructions
    const starts = [...this.#leaders].filter((offset) => instructions.has(offset)).sort((a, b) => a - b)
    const number = new Map(starts.map((offset, n) => [offset, n]))
    const blocks = starts.map((offset) => this.#block(offset))
    const successors = blocks.map((block) => {
      const last = block.instructions.at(-1)!
      const targets = new Set<number>(block.returns)
      if (block.target !== undefined && (!isCall(last) || this.#sites.get(block.target)?.includes(block.end))) targets.add(block.target)
      if (!block.ends) targets.add(block.end)
      return [...targets].flatMap((t) => number.get(t) ?? [])
    })
    const others = new Set([...this.#entries, ...this.#backTargets].filter((offset) => {
      return offset !== this.#head && number.has(offset) && !this.#space.hasRegion(offset)
    }))
    return { blocks, entries: [this.#head, ...others].map((offset) => number.get(offset)!), successors }
  }

  #block(offset: number): Block {
    const run: DecodedInstruction[] = []
    for (let at = offset; ;) {
      const i = this.#instructions.get(at)
      // What is not translated, or begins another block, is where this one ends.
      if (!i || (at !== offset && this.#leaders.has(at))) return { offset, instructions: run, end: at, target: undefined, ends: false, returns: [] }
      run.push(i)
      const target = targetOf(i, at)
      const { ends } = i.variant.row.options
      if (target !== undefined || ends) {
        const returns = isReturn(i) ? this.#sites.get(this.#roots.get(at)!) ?? [] : []
        return { offset, instructions: run, end: at + i.length, target, ends: ends === true, returns }
      }
      at += i.length
    }
  }
}

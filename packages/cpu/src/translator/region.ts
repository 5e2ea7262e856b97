import type { DecodedInstruction } from '../decode/decoder.ts'

/** What region formation asks of the code cache. */
export interface CodePage {
  /** The instruction at an offset of the page; undefined where none was decoded yet, or it is not one instruction of this page. */
  at(offset: number): DecodedInstruction | undefined
  /** Another region begins there already. */
  hasRegion(offset: number): boolean
}

/** A straight run: control enters at its start and leaves at its end. */
export interface Block {
  readonly offset: number
  readonly instructions: readonly DecodedInstruction[]
  /** Offset behind the last instruction. */
  readonly end: number
  /** Offset a relative branch at the end goes to; it may lie outside the page. */
  readonly target: number | undefined
  /** Control never falls through to `end`. */
  readonly ends: boolean
}

/** Hot code of one page as a graph of blocks, in order of offset. */
export interface Region {
  readonly blocks: readonly Block[]
  /** Blocks control may enter: the head first, loop heads, places behind calls and behind what the interpreter does. */
  readonly entries: readonly number[]
  /** Blocks by successor in this region. */
  readonly successors: readonly (readonly number[])[]
}

const MAX_INSTRUCTIONS = 250
const PAGE = 4096

/** Rows that a region does not contain: TypeScript carries them out. */
export const isHosted = (i: DecodedInstruction): boolean => i.variant.row.emit.hosted === true
const isCall = (i: DecodedInstruction): boolean => i.variant.row.mnemonic === 'CALL'
const targetOf = (i: DecodedInstruction, offset: number): number | undefined =>
  i.variant.operands.some((o) => o.kind === 'relative') ? offset + i.length + Number(i.immediate) : undefined

/** Collects what is reachable from `head` in its page, as far as it has been executed; undefined when that is nothing to translate. */
export function formRegion(page: CodePage, head: number): Region | undefined {
  const instructions = new Map<number, DecodedInstruction>()
  const leaders = new Set([head])
  const entries = new Set([head])
  const work = [head]
  const backTargets = new Set<number>()
  const follow = (offset: number): void => {
    if (offset < 0 || offset >= PAGE || leaders.has(offset) || page.hasRegion(offset) || !page.at(offset)) return
    leaders.add(offset)
    work.push(offset)
  }
  // Breadth first: what is near the head is likelier to belong to it than what is far down one path.
  for (let start = work.shift(); start !== undefined && instructions.size < MAX_INSTRUCTIONS; start = work.shift()) {
    for (let offset = start; ;) {
      if (instructions.has(offset)) {
        leaders.add(offset)
        break
      }
      if (offset >= PAGE || (offset !== head && page.hasRegion(offset))) break
      const i = page.at(offset)
      if (!i || instructions.size >= MAX_INSTRUCTIONS) break
      const next = offset + i.length
      if (isHosted(i)) {
        if (!i.variant.row.options.ends) {
          follow(next)
          if (leaders.has(next)) entries.add(next)
        }
        break
      }
      instructions.set(offset, i)
      const target = targetOf(i, offset)
      const { ends } = i.variant.row.options
      if (isCall(i)) {
        follow(next)
        if (leaders.has(next)) entries.add(next)
        break
      }
      if (target !== undefined) {
        follow(target)
        if (target <= offset) backTargets.add(target)
      }
      if (ends) break
      if (target !== undefined) {
        follow(next)
        break
      }
      offset = next
    }
  }
  if (!instructions.has(head)) return undefined
  return assemble(instructions, leaders, entries, backTargets)
}

function assemble(
  instructions: ReadonlyMap<number, DecodedInstruction>, leaders: ReadonlySet<number>, entries: ReadonlySet<number>, backTargets: ReadonlySet<number>,
): Region {
  const starts = [...leaders].filter((offset) => instructions.has(offset)).sort((a, b) => a - b)
  const number = new Map(starts.map((offset, n) => [offset, n]))
  const blocks = starts.map((offset): Block => {
    const run: DecodedInstruction[] = []
    let at = offset
    for (;;) {
      const i = instructions.get(at)
      // What is not translated, or begins another block, is where this one ends.
      if (!i || (at !== offset && leaders.has(at))) return { offset, instructions: run, end: at, target: undefined, ends: false }
      run.push(i)
      const target = targetOf(i, at)
      at += i.length
      if (target !== undefined || i.variant.row.options.ends) {
        return { offset, instructions: run, end: at, target, ends: i.variant.row.options.ends === true }
      }
    }
  })
  const successors = blocks.map((block) => {
    const targets = new Set<number>()
    if (block.target !== undefined && !(block.ends && isCall(block.instructions.at(-1)!))) targets.add(block.target)
    if (!block.ends) targets.add(block.end)
    return [...targets].flatMap((t) => number.get(t) ?? [])
  })
  const [head] = entries
  const others = new Set([...entries, ...backTargets].filter((offset) => offset !== head && number.has(offset)))
  return { blocks, entries: [head!, ...others].map((offset) => number.get(offset)!), successors }
}

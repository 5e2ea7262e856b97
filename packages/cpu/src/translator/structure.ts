import { i32 } from '@entresol/wasm-builder'
import type { FunctionBuilder, Label, Local } from '@entresol/wasm-builder'

/** A control-flow graph: nodes are block numbers, edges go to blocks of the graph only. */
export interface Graph {
  readonly successors: readonly (readonly number[])[]
  /** Blocks control may enter from outside, by entry number. */
  readonly entries: readonly number[]
}

/** Strongly connected components of `nodes` in topological order, edges to `heads` left out. */
export function stronglyConnected(
  successors: readonly (readonly number[])[], nodes: readonly number[], heads: { has(block: number): boolean },
): number[][] {
  const inside = new Set(nodes)
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const onStack = new Set<number>()
  const stack: number[] = []
  const found: number[][] = []
  const visit = (root: number): void => {
    const work: { node: number; edges: number[]; at: number }[] = []
    const enter = (node: number): void => {
      index.set(node, index.size)
      low.set(node, index.get(node)!)
      stack.push(node)
      onStack.add(node)
      work.push({ node, edges: successors[node]!.filter((s) => inside.has(s) && !heads.has(s)), at: 0 })
    }
    enter(root)
    while (work.length) {
      const top = work.at(-1)!
      if (top.at < top.edges.length) {
        const next = top.edges[top.at++]!
        if (!index.has(next)) enter(next)
        else if (onStack.has(next)) low.set(top.node, Math.min(low.get(top.node)!, index.get(next)!))
        continue
      }
      work.pop()
      const parent = work.at(-1)
      if (parent) low.set(parent.node, Math.min(low.get(parent.node)!, low.get(top.node)!))
      if (low.get(top.node) !== index.get(top.node)) continue
      const component: number[] = []
      for (;;) {
        const node = stack.pop()!
        onStack.delete(node)
        component.push(node)
        if (node === top.node) break
      }
      found.push(component.sort((a, b) => a - b))
    }
  }
  // Tarjan's order is reverse topological; later blocks first keeps the layout close to the code's.
  for (const node of [...nodes].reverse()) if (!index.has(node)) visit(node)
  return found.reverse()
}

/** A component that control can go round in. */
export const isLoop = (successors: readonly (readonly number[])[], component: readonly number[]): boolean =>
  component.length > 1 || successors[component[0]!]!.includes(component[0]!)

/** How the blocks and edges of a graph are written. */
export interface StructureWriter {
  /** Emits one block; it leaves by calling `goto` for every edge taken, and never falls through. */
  block(block: number, goto: (target: number) => void): void
  /** Before a loop that is in no other one. */
  enterLoop(head: number): void
  /** Before a jump back, which may leave the function instead. */
  backEdge(target: number): void
}

/**
 * Lays out any control-flow graph as structured control flow: strongly connected components become loops, forward edges leave nested
 * blocks. A place that several ways from outside lead into (an entry in the middle of a loop, an irreducible loop) is reached through `entry`:
 * entry number + 1, zero when control is where it wants to be.
 */
export class Structure {
  readonly #f: FunctionBuilder
  readonly #graph: Graph
  readonly #entry: Local<'i32'>
  readonly #writer: StructureWriter
  /** Open loops: heads and the label that repeats them; `routed`: through `entry`. */
  readonly #heads = new Map<number, { label: Label; routed: boolean }>()
  /** Where a forward jump to a block goes now. */
  readonly #forward = new Map<number, { label: Label; routed: boolean }>()
  /** Number by which `entry` names a block: entries first, then heads of irreducible loops. */
  readonly #names = new Map<number, number>()

  constructor(f: FunctionBuilder, graph: Graph, entry: Local<'i32'>, writer: StructureWriter) {
    this.#f = f
    this.#graph = graph
    this.#entry = entry
    this.#writer = writer
    graph.entries.forEach((block) => this.#name(block))
  }

  /** Emits the graph; `entry` holds the number of the entry taken (1 for the first). */
  emit(): void {
    const all = this.#graph.successors.map((_, n) => n)
    this.#sequence(all, new Set(this.#graph.entries), true)
  }

  #name(block: number): number {
    let name = this.#names.get(block)
    if (name === undefined) this.#names.set(block, name = this.#names.size + 1)
    return name
  }

  /** Blocks of `component` that edges from outside of it reach. */
  #realEntries(component: readonly number[], incoming: ReadonlySet<number>): number[] {
    const inside = new Set(component)
    const entries = new Set<number>()
    this.#graph.successors.forEach((targets, from) => {
      if (!inside.has(from)) for (const target of targets) if (inside.has(target)) entries.add(target)
    })
    // Reached only from outside the graph: one head will do, other entries are routed through it.
    if (entries.size === 0) entries.add(component.find((block) => incoming.has(block)) ?? component[0]!)
    return [...entries].sort((a, b) => a - b)
  }

  /** `routed`: blocks that control arriving at the top may want, by `entry`; dispatched there when `always`, else when it is nonzero. */
  #sequence(nodes: readonly number[], routed: ReadonlySet<number>, always: boolean): void {
    const f = this.#f
    const components = stronglyConnected(this.#graph.successors, nodes, this.#heads)
    const plans = components.map((nodes) => {
      const loop = isLoop(this.#graph.successors, nodes) && !this.#heads.has(nodes[0]!)
      const wanted = nodes.filter((n) => routed.has(n))
      const heads = loop ? this.#realEntries(nodes, routed) : nodes
      return { nodes, loop, heads, wanted }
    })
    const emitFrom = (open: number): void => {
      if (open > 0) {
        f.block((label) => {
          const plan = plans[open - 1]!
          for (const n of plan.nodes) this.#forward.set(n, { label, routed: plan.heads.length > 1 || n !== plan.heads[0] })
          emitFrom(open - 1)
        })
        for (const n of plans[open - 1]!.nodes) this.#forward.delete(n)
        this.#component(plans[open - 1]!)
        return
      }
      const targets = plans.flatMap((p) => p.wanted)
      if (targets.length === 0 || (targets.length === 1 && always && !this.#forward.get(targets[0]!)!.routed && targets[0] === plans[0]!.nodes[0])) {
        if (targets.length) f.set(this.#entry, i32.const(0))
        return
      }
      this.#dispatch(targets, always)
    }
    emitFrom(plans.length)
  }

  #dispatch(targets: readonly number[], always: boolean): void {
    const f = this.#f
    const table = (): void => {
      // A target that is the one head of its place has arrived.
      const arrive = (at: number, labels: Map<number, Label>): void => {
        if (at === targets.length) {
          const size = Math.max(...targets.map((t) => this.#name(t))) + 1
          const first = labels.get(targets[0]!)!
          f.brTable(this.#entry.get, Array.from({ length: size }, (_, name) => {
            const target = targets.find((t) => this.#names.get(t) === name)
            return target === undefined ? first : labels.get(target)!
          }), first)
          return
        }
        const target = targets[at]!
        const { label, routed } = this.#forward.get(target)!
        if (routed) {
          labels.set(target, label)
          arrive(at + 1, labels)
          return
        }
        f.block((here) => {
          labels.set(target, here)
          arrive(at + 1, labels)
        })
        f.set(this.#entry, i32.const(0))
        f.br(label)
      }
      arrive(0, new Map())
    }
    if (always) table()
    else f.if(this.#entry.get, table)
  }

  #component(plan: { nodes: readonly number[]; loop: boolean; heads: readonly number[]; wanted: readonly number[] }): void {
    const { nodes, loop, heads, wanted } = plan
    if (!loop) {
      this.#writer.block(nodes[0]!, (target) => this.#goto(target))
      return
    }
    const routed = heads.length > 1
    if (this.#heads.size === 0) this.#writer.enterLoop(heads[0]!)
    this.#f.loop((label) => {
      for (const head of heads) this.#heads.set(head, { label, routed })
      const inner = new Set(routed ? [...heads, ...wanted] : wanted.filter((n) => n !== heads[0]))
      this.#sequence(nodes, inner, routed)
      for (const head of heads) this.#heads.delete(head)
    })
  }

  #goto(target: number): void {
    const f = this.#f
    const head = this.#heads.get(target)
    if (head) this.#writer.backEdge(target)
    const { label, routed } = head ?? this.#forward.get(target)!
    if (routed) f.set(this.#entry, i32.const(this.#name(target)))
    f.br(label)
  }
}

const PAGE = 4096

/** Numbers by cluster, most of them 0: memory grows with what is used, not with how far apart it lies. */
export class CountMap {
  readonly #pages = new Map<number, Uint32Array>()

  get(cluster: number): number {
    return this.#pages.get(Math.floor(cluster / PAGE))?.[cluster % PAGE] ?? 0
  }

  add(cluster: number, count: number): void {
    const index = Math.floor(cluster / PAGE)
    let page = this.#pages.get(index)
    if (!page) this.#pages.set(index, page = new Uint32Array(PAGE))
    page[cluster % PAGE]! += count
  }

  /** Clusters with a number other than 0, in order. */
  * entries(): Generator<readonly [cluster: number, count: number]> {
    for (const index of [...this.#pages.keys()].sort((a, b) => a - b)) {
      const page = this.#pages.get(index)!
      for (let at = 0; at < PAGE; at++) if (page[at] !== 0) yield [index * PAGE + at, page[at]!]
    }
  }
}

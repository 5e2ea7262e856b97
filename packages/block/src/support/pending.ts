/** Operations under way together. A failure is kept until everybody is done: nothing then still writes to a buffer the caller has back. */
export class Pending {
  readonly #limit: number
  readonly #running = new Set<Promise<void>>()
  #failure: { readonly reason: unknown } | undefined

  /** At most about `limit` at a time. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Undefined, or what to wait for before the next one is started. */
  add(operation: Promise<unknown>): Promise<void> | undefined {
    const watched: Promise<void> = operation.then(() => undefined, (reason: unknown) => {
      this.#failure ??= { reason }
    }).then(() => {
      this.#running.delete(watched)
    })
    this.#running.add(watched)
    return this.#running.size >= this.#limit ? Promise.race(this.#running) : undefined
  }

  /** Resolves when all are done; fails as the first that failed. */
  async done(): Promise<void> {
    await Promise.all(this.#running)
    if (this.#failure) throw this.#failure.reason
  }
}

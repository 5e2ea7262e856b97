/** Power-on reset: after it, equal accesses leave equal state. */
export interface Resettable {
  reset(): void
}

/** Saves and restores named, versioned, structured-cloneable state. `restore` distrusts its argument and keeps the old state when it refuses (coded error `bad-snapshot`). */
export interface Snapshotable<State> {
  readonly snapshotVersion: number
  save(): State
  restore(state: State): void
}

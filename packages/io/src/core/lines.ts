import type { InterruptLine } from '@entresol/interfaces'

/** A wire that goes nowhere. */
export const NO_LINE: InterruptLine = { set: () => {} }

/** Wired-OR: every `input()` is its own driver, the output is asserted while any input is. */
export class WiredOr {
  readonly #output: InterruptLine
  #asserted = 0

  constructor(output: InterruptLine) {
    this.#output = output
  }

  input(): InterruptLine {
    let level = false
    return {
      set: (asserted) => {
        if (asserted === level) return
        level = asserted
        this.#asserted += asserted ? 1 : -1
        this.#output.set(this.#asserted > 0)
      }
    }
  }
}

/** One wire to several pins. */
export function fanOut(...lines: readonly InterruptLine[]): InterruptLine {
  return {
    set: (asserted) => {
      for (const line of lines) line.set(asserted)
    }
  }
}

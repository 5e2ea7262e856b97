import type { FunctionBuilder, I32 } from '@entresol/wasm-builder'

/** An address as a sum of unknown values that are the same where `key` is, plus a constant. */
export interface SymbolicAddress {
  readonly key: string
  readonly delta: number
}

/** A checked access: its address in the page (0..4095) and in the machine, both in locals. */
export interface PageWindow {
  readonly delta: number
  readonly write: boolean
  readonly inPage: I32
  readonly address: I32
}

/**
 * What straight code knows of the general registers: each holds an unknown value plus a constant, and accesses near a checked one, by the
 * same unknown values, need only be in the same page.
 */
export class PageWindows {
  readonly #symbols: number[]
  readonly #deltas: number[]
  readonly #windows: Map<string, PageWindow>
  #next: number

  constructor(from?: PageWindows) {
    this.#symbols = from ? [...from.#symbols] : Array.from({ length: 16 }, (_, n) => n)
    this.#deltas = from ? [...from.#deltas] : new Array<number>(16).fill(0)
    this.#windows = new Map(from ? from.#windows : undefined)
    this.#next = from ? from.#next : 16
  }

  /** The register holds something new. */
  assign(register: number): void {
    this.#symbols[register] = this.#next++
    this.#deltas[register] = 0
  }

  /** What a register holds now, to be given to `derive` after it or another one was changed. */
  value(register: number): { readonly symbol: number; readonly delta: number } {
    return { symbol: this.#symbols[register]!, delta: this.#deltas[register]! }
  }

  /** The register holds `value` plus a constant. */
  derive(register: number, value: { readonly symbol: number; readonly delta: number }, plus: number): void {
    this.#symbols[register] = value.symbol
    this.#deltas[register] = value.delta + plus
  }

  /** base + index * 2^scale + displacement; undefined parts are absent. */
  address(base: number | 'rip' | undefined, index: number | undefined, scale: number, displacement: number): SymbolicAddress {
    let key = base === undefined ? '' : base === 'rip' ? 'rip' : `${this.#symbols[base]!}`
    let delta = displacement + (typeof base === 'number' ? this.#deltas[base]! : 0)
    if (index !== undefined) {
      key += `+${this.#symbols[index]!}<${scale}`
      delta += this.#deltas[index]! * 2 ** scale
    }
    return { key, delta }
  }

  find(address: SymbolicAddress, write: boolean): PageWindow | undefined {
    const window = this.#windows.get(address.key)
    return window && (window.write || !write) && Math.abs(address.delta - window.delta) < 4096 ? window : undefined
  }

  /** An access was found to be memory: place in its page and machine address of its first byte. */
  note(f: FunctionBuilder, at: SymbolicAddress, write: boolean, inPage: I32, address: I32): void {
    const keep = (value: I32): I32 => {
      const local = f.lasting('i32')
      f.set(local, value)
      return local.get
    }
    this.#windows.set(at.key, { delta: at.delta, write, inPage: keep(inPage), address: keep(address) })
  }

  /** Rights of access changed: what was checked must be checked again. */
  forget(): void {
    this.#windows.clear()
  }
}

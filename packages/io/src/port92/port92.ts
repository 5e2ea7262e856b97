import type { AccessSize, BusDevice, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { record, u8 } from '../device/saved-state.ts'
import type { Check } from '../device/saved-state.ts'
import { ALT_A20_GATE, INIT_NOW, WRITABLE } from './spec.ts'

export interface Port92Options {
  /** This port's wish for A20. The board lets address bit 20 pass when this or the keyboard controller's output is set (a wired OR). */
  readonly onA20: (enabled: boolean) => void
  readonly onReset: () => void
}

export interface Port92State {
  value: number
}

const checkPort92State: Check<Port92State> = record<Port92State>({ value: u8 })

/** Fast A20 gate and fast reset. */
export class Port92 implements BusDevice, Resettable, Snapshotable<Port92State> {
  readonly name: string = 'port92'
  readonly length: number = 1
  readonly snapshotVersion: number = 1
  readonly #options: Port92Options
  #value = 0

  constructor(options: Port92Options) {
    this.#options = options
  }

  read(_offset: number, _size: AccessSize): number | IoFault {
    return this.#value
  }

  write(_offset: number, _size: AccessSize, value: number): IoFault | undefined {
    const before = this.#value
    this.#value = value & WRITABLE
    if ((this.#value ^ before) & ALT_A20_GATE) this.#update()
    if (this.#value & ~before & INIT_NOW) this.#options.onReset()
    return undefined
  }

  reset(): void {
    this.#value = 0
    this.#update()
  }

  save(): Port92State {
    return { value: this.#value }
  }

  restore(state: Port92State): void {
    this.#value = checkPort92State(state, this.name).value & WRITABLE
    this.#update()
  }

  #update(): void {
    this.#options.onA20((this.#value & ALT_A20_GATE) !== 0)
  }
}

import * as spec from './spec.ts'
import type { Pic8259State } from './state.ts'

/** `step` before the first ICW1: the mask can be written, but nothing is requested. */
const UNINITIALIZED = 1

function powerOn(): Pic8259State {
  return {
    edges: 0, lines: 0, inService: 0, mask: 0, level: 0, vectorBase: 0, lowest: 7, step: UNINITIALIZED, icw1: 0, icw3: 0, icw4: 0,
    readIsr: false, poll: false, specialMask: false, rotateOnAeoi: false
  }
}

/** One 8259A. `onInt` follows its INT output; `levelWritable` is what ELCR lets software make level triggered. */
export class Pic8259 {
  readonly #onInt: (asserted: boolean) => void
  readonly #levelWritable: number
  #s: Pic8259State = powerOn()
  #int = false
  #request = -1

  constructor(levelWritable: number, onInt: (asserted: boolean) => void) {
    this.#levelWritable = levelWritable
    this.#onInt = onInt
  }

  /** The INT output. */
  get int(): boolean {
    return this.#int
  }

  setLine(input: number, asserted: boolean): void {
    const s = this.#s
    const bit = 1 << input
    if (((s.lines & bit) !== 0) === asserted) return
    if (asserted) {
      s.lines |= bit
      s.edges |= bit
    } else {
      s.lines &= ~bit
      // A request withdrawn before the acknowledge is gone ("Interrupt Triggering": IR must stay high until INTA).
      s.edges &= ~bit
    }
    this.#update()
  }

  get elcr(): number {
    return this.#s.level
  }

  set elcr(value: number) {
    this.#s.level = value & this.#levelWritable
    this.#update()
  }

  /** INTA cycles: the vector. With nothing requested, the one of input 7, and nothing goes in service. */
  acknowledge(): { input: number; vector: number } {
    const input = this.#request
    if (input < 0) return { input: spec.PIC_SPURIOUS, vector: this.#s.vectorBase | spec.PIC_SPURIOUS }
    this.#take(input)
    return { input, vector: this.#s.vectorBase | input }
  }

  read(offset: number): number {
    const s = this.#s
    if (s.poll) {
      s.poll = false
      const input = this.#request
      if (input < 0) return 0
      this.#take(input)
      return spec.POLL_INTERRUPT | input
    }
    if (offset === 1) return s.mask
    return s.readIsr ? s.inService : this.#requests()
  }

  write(offset: number, value: number): void {
    if (offset === 0) {
      if ((value & spec.ICW1) !== 0) this.#initialize(value)
      else if ((value & spec.OCW3) !== 0) this.#ocw3(value)
      else this.#ocw2(value)
    } else this.#writeData(value)
    this.#update()
  }

  reset(): void {
    // Inputs are wires, not state of the chip.
    const lines = this.#s.lines
    this.#s = powerOn()
    this.#s.lines = lines
    this.#update()
  }

  save(): Pic8259State {
    return { ...this.#s }
  }

  restore(state: Pic8259State): void {
    this.#s = { ...state, level: state.level & this.#levelWritable }
    this.#update()
  }

  #initialize(value: number): void {
    const s = this.#s
    s.icw1 = value
    s.step = 2
    s.edges = 0
    s.mask = 0
    s.inService = 0
    s.lowest = 7
    s.specialMask = false
    s.readIsr = false
    s.poll = false
    s.rotateOnAeoi = false
    if ((value & spec.ICW1_IC4) === 0) s.icw4 = 0
  }

  #writeData(value: number): void {
    const s = this.#s
    switch (s.step) {
      case 2:
        s.vectorBase = value & 0xf8
        s.step = (s.icw1 & spec.ICW1_SNGL) === 0 ? 3 : (s.icw1 & spec.ICW1_IC4) !== 0 ? 4 : 0
        break
      case 3:
        s.icw3 = value
        s.step = (s.icw1 & spec.ICW1_IC4) !== 0 ? 4 : 0
        break
      case 4:
        s.icw4 = value
        s.step = 0
        break
      default:
        s.mask = value
    }
  }

  #ocw2(value: number): void {
    const s = this.#s
    const input = value & 7
    switch (value >> 5) {
      case spec.OCW2_CLEAR_ROTATE_AEOI:
        s.rotateOnAeoi = false
        break
      case spec.OCW2_SET_ROTATE_AEOI:
        s.rotateOnAeoi = true
        break
      case spec.OCW2_EOI:
      case spec.OCW2_ROTATE_EOI: {
        // In special mask mode a masked in-service bit is not cleared by a non-specific EOI.
        const served = this.#highest(s.specialMask ? s.inService & ~s.mask : s.inService)
        if (served < 0) break
        s.inService &= ~(1 << served)
        if (value >> 5 === spec.OCW2_ROTATE_EOI) s.lowest = served
        break
      }
      case spec.OCW2_SPECIFIC_EOI:
        s.inService &= ~(1 << input)
        break
      case spec.OCW2_ROTATE_SPECIFIC_EOI:
        s.inService &= ~(1 << input)
        s.lowest = input
        break
      case spec.OCW2_SET_PRIORITY:
        s.lowest = input
        break
    }
  }

  #ocw3(value: number): void {
    const s = this.#s
    if ((value & spec.OCW3_ENABLE_SPECIAL_MASK) !== 0) s.specialMask = (value & spec.OCW3_SPECIAL_MASK) !== 0
    // Poll overrides a read command in the same word.
    if ((value & spec.OCW3_POLL) !== 0) s.poll = true
    else if ((value & spec.OCW3_READ_REGISTER) !== 0) s.readIsr = (value & spec.OCW3_READ_ISR) !== 0
  }

  #take(input: number): void {
    const s = this.#s
    s.edges &= ~(1 << input)
    if ((s.icw4 & spec.ICW4_AEOI) === 0) s.inService |= 1 << input
    else if (s.rotateOnAeoi) s.lowest = input
    // INT falls with the acknowledge even when another request follows: an edge for the chip above.
    this.#int = false
    this.#onInt(false)
    this.#update()
  }

  /** IRR: levels of level-triggered inputs, latched edges of the others. */
  #requests(): number {
    const s = this.#s
    return (s.lines & s.level) | (s.edges & ~s.level)
  }

  /** The input of highest priority among `bits`, -1 without any. */
  #highest(bits: number): number {
    if (bits === 0) return -1
    for (let step = 1; step <= 8; step++) {
      const input = (this.#s.lowest + step) & 7
      if ((bits & (1 << input)) !== 0) return input
    }
    return -1
  }

  #update(): void {
    const s = this.#s
    // The chip is silent until it has its initialization words.
    const requests = s.step === 0 ? this.#requests() & ~s.mask : 0
    const served = s.specialMask ? s.inService & ~s.mask : s.inService
    const request = this.#highest(requests)
    let wanted = -1
    if (request >= 0) {
      const serving = this.#highest(served)
      const rank = (input: number): number => (input - s.lowest + 7) & 7
      // Special fully nested mode: a slave being served may be followed by a higher request of the same slave.
      const nested = (s.icw4 & spec.ICW4_SFNM) !== 0 && request === serving && (s.icw3 & (1 << request)) !== 0
      if (serving < 0 || rank(request) < rank(serving) || nested) wanted = request
      if (s.specialMask && wanted < 0 && (s.inService & (1 << request)) === 0) wanted = request
    }
    this.#request = wanted
    const int = wanted >= 0
    if (int === this.#int) return
    this.#int = int
    this.#onInt(int)
  }
}

import { bool, type Check, integer, record, u16, u32 } from '@entresol/kit/saved-state'

/** Pins and shift registers of a serial EEPROM. Its words are not state: they come from the board. */
export interface MicrowireState {
  selected: boolean
  clock: boolean
  /** Bits shifted in since the start bit, and how many. */
  input: number
  bits: number
  /** Word being shifted out and how many bits of it have gone; -1 before a read. */
  output: number
  sent: number
  dataOut: boolean
}

export const checkMicrowireState: Check<MicrowireState> = record<MicrowireState>({
  selected: bool, clock: bool, input: u32, bits: integer(0, 31), output: u16, sent: integer(-1, 16), dataOut: bool
})

/** Opcode of READ behind the start bit (Atmel AT93C46/56/66 datasheet, "Instruction set"). */
const READ = 0b10
const WORD_BITS = 16

function powerOn(): MicrowireState {
  return { selected: false, clock: false, input: 0, bits: 0, output: 0, sent: -1, dataOut: true }
}

/** A 93C46 or 93C66 serial EEPROM of 16-bit words on four wires; it answers READ, also of words in sequence, and ignores what would write. */
export class Microwire {
  readonly #words: Uint16Array
  readonly #addressBits: number
  #s: MicrowireState = powerOn()

  /** 64 words make a 93C46 with six address bits, 256 a 93C66 with eight. */
  constructor(words: Uint16Array) {
    this.#words = words
    this.#addressBits = words.length <= 64 ? 6 : 8
  }

  get dataOut(): boolean {
    return this.#s.dataOut
  }

  /** Levels of the pins, as software drives them. */
  drive(select: boolean, clock: boolean, dataIn: boolean): void {
    const s = this.#s
    if (!select || !s.selected) {
      this.#s = { ...powerOn(), selected: select, clock }
      return
    }
    const rising = clock && !s.clock
    s.clock = clock
    if (!rising) return
    if (s.sent >= 0) this.#shiftOut()
    // The start bit is the first one.
    else if (dataIn || s.bits > 0) this.#shiftIn(dataIn ? 1 : 0)
  }

  save(): MicrowireState {
    return { ...this.#s }
  }

  /** Takes a state that has been checked. */
  restore(state: MicrowireState): void {
    this.#s = state
  }

  #shiftIn(bit: number): void {
    const s = this.#s
    s.input = (s.input << 1 | bit) & 0xffff
    s.bits = Math.min(s.bits + 1, 31)
    if (s.bits !== 3 + this.#addressBits) return
    if (s.input >> this.#addressBits !== (4 | READ)) return
    s.input &= (1 << this.#addressBits) - 1
    s.output = this.#words[s.input]!
    s.sent = 0
    // A dummy zero goes before the word.
    s.dataOut = false
  }

  #shiftOut(): void {
    const s = this.#s
    if (s.sent === WORD_BITS) {
      s.input = (s.input + 1) % this.#words.length
      s.output = this.#words[s.input]!
      s.sent = 0
    }
    s.dataOut = (s.output >> (WORD_BITS - 1 - s.sent) & 1) !== 0
    s.sent++
  }
}

import type { MemoryPiece, TestCase } from './case.ts'
import { EXTENDED_DEFAULT } from './case.ts'
import { CODE_ADDRESS, CODE_DEFAULT, CODE_SIZE } from './layout.ts'
import { Random } from './random.ts'
import type { Flavour } from './seed-state.ts'
import { memoryFromSeed, stateFromSeed } from './seed-state.ts'

/** A case in the making: starts as its seed's state; an encoder writes code and overrides what the code needs. */
export class CaseBuilder {
  readonly seed: number
  readonly flavour: Flavour
  readonly mode: 64 | 32
  /** For the encoder's choices; not part of the vector format. */
  readonly random: Random
  readonly #gpr: BigUint64Array
  #rflags: number
  #extended: Uint8Array | undefined
  readonly #memory: MemoryPiece[] = []
  straight = false
  repeat = false
  codeAddress: number = CODE_DEFAULT

  constructor(seed: number, flavour: Flavour) {
    this.seed = seed
    this.flavour = flavour
    this.mode = flavour.mode
    this.random = new Random(seed ^ 0x5bd1e995)
    const state = stateFromSeed(seed, flavour)
    this.#gpr = state.gpr
    this.#rflags = state.rflags
    this.#extended = state.extended
  }

  gpr(index: number): bigint {
    return this.#gpr[index] as bigint
  }

  setGpr(index: number, value: bigint): void {
    this.#gpr[index] = BigInt.asUintN(this.mode, value)
  }

  setFlags(set: number, clear: number): void {
    this.#rflags = (this.#rflags & ~clear) | set
  }

  /** Writes `size` little-endian bytes at an offset of the extended state (EXT_*). */
  setExtended(offset: number, value: bigint, size: number): void {
    this.#extended ??= EXTENDED_DEFAULT.slice()
    for (let i = 0; i < size; i++) this.#extended[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn)
  }

  /** Fills memory at an operand with values of the flavour. Costs a vector file three bytes. */
  memoryOperand(address: number, size: number): void {
    this.#memory.push({ address, bytes: memoryFromSeed(this.seed, this.flavour, size, this.#memory.length) })
  }

  memory(address: number, bytes: Uint8Array): void {
    this.#memory.push({ address, bytes })
  }

  /** Places the code so that it ends exactly at the end of its page, `missing` bytes beyond it cut off. */
  placeAtPageEnd(code: Uint8Array, missing: number): Uint8Array {
    this.codeAddress = CODE_ADDRESS + CODE_SIZE - (code.length - missing)
    this.straight = false
    return code.subarray(0, code.length - missing)
  }

  finish(code: Uint8Array): TestCase {
    return {
      mode: this.mode, code, gpr: this.#gpr, rflags: this.#rflags,
      ...(this.codeAddress === CODE_DEFAULT ? {} : { codeAddress: this.codeAddress }),
      ...(this.#extended ? { extended: this.#extended } : {}),
      ...(this.#memory.length ? { memory: this.#memory } : {}),
      ...(this.straight ? { straight: true } : {}),
      ...(this.repeat ? { repeat: true } : {}),
    }
  }
}

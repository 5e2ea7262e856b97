import { protocolError } from './reader.ts'

/** Pieces a server may answer one read in; ours sends a thousand at most, and every server whole stretches of data and holes. */
const MAX_PIECES = 65536

/** Which bytes of a read have come: chunks come in any order, must lie within it and must not overlap. */
export class ReadCoverage {
  readonly #offset: number
  readonly #into: Uint8Array
  /** Stretches [from, to) that came, ascending, none touching the next. */
  readonly #stretches: [from: number, to: number][] = []
  #pieces = 0

  constructor(offset: number, into: Uint8Array) {
    this.#offset = offset
    this.#into = into
  }

  get complete(): boolean {
    const [first] = this.#stretches
    return this.#into.length === 0 || (this.#stretches.length === 1 && first![0] === 0 && first![1] === this.#into.length)
  }

  /** The part of the buffer where a chunk goes. */
  take(offset: bigint, length: number): Uint8Array {
    const start = offset - BigInt(this.#offset)
    if (length === 0 || start < 0n || start + BigInt(length) > BigInt(this.#into.length)) throw protocolError('a chunk outside of what was read')
    if (++this.#pieces > MAX_PIECES) throw protocolError('a read in too many pieces')
    const from = Number(start)
    this.#add(from, from + length)
    return this.#into.subarray(from, from + length)
  }

  #add(from: number, to: number): void {
    const all = this.#stretches
    // Chunks nearly always come in order: look from the end.
    let at = all.length
    while (at > 0 && all[at - 1]![0] >= to) at--
    const before = all[at - 1]
    const after = all[at]
    if (before && before[1] > from) throw protocolError('chunks that overlap')
    const joinsBefore = before?.[1] === from
    const joinsAfter = after?.[0] === to
    if (joinsBefore && joinsAfter) {
      before[1] = after[1]
      all.splice(at, 1)
    } else if (joinsBefore) before[1] = to
    else if (joinsAfter) after[0] = from
    else all.splice(at, 0, [from, to])
  }
}

/** Uniform below `below`. */
export type Choice = (below: number) => number

/** Values at which lengths and counters go wrong. */
const EDGES = [0, 1, 2, 7, 8, 20, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xfe, 0xff]

export function seeded(seed: number): Choice {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return below === 0 ? 0 : (state >>> 0) % below
  }
}

/** One of the corpus with a few changes: bytes, edges, cuts, repeats, and pieces of others. */
export function mutate(corpus: readonly Uint8Array[], choice: Choice): Uint8Array {
  let bytes = corpus[choice(corpus.length)]!.slice()
  for (let changes = choice(6); changes > 0; changes--) {
    const at = choice(bytes.length)
    switch (choice(7)) {
      case 0: bytes[at] = choice(256); break
      case 1: bytes[at]! ^= 1 << choice(8); break
      case 2: bytes[at] = EDGES[choice(EDGES.length)]!; break
      case 3: bytes = bytes.slice(0, at); break
      case 4: {
        const piece = bytes.slice(at, at + 1 + choice(40))
        bytes = Uint8Array.of(...bytes.subarray(0, at), ...piece, ...bytes.subarray(at))
        break
      }
      case 5: {
        const other = corpus[choice(corpus.length)]!
        bytes = Uint8Array.of(...bytes.subarray(0, at), ...other.subarray(choice(other.length)))
        break
      }
      default: {
        bytes[at] = EDGES[choice(EDGES.length)]!
        bytes[at + 1] = EDGES[choice(EDGES.length)]!
      }
    }
  }
  return bytes
}

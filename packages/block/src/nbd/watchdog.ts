import type { ByteDuplex } from './duplex.ts'

/** Runs `work`, and closes the connection if it takes longer than `milliseconds`: what waits for the peer then fails. */
export async function withDeadline<Result>(duplex: ByteDuplex, milliseconds: number, work: () => Promise<Result>): Promise<Result> {
  const timer = setTimeout(() => duplex.close(), milliseconds)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
  }
}

/** What is moved at a time, so that a slow peer can be told from one that stands still. */
const PIECE = 1 << 20

export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}

/** The chunks of one message, small ones together. */
export function* portions(chunks: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let portion: Uint8Array[] = []
  let length = 0
  for (const chunk of chunks) {
    for (const piece of pieces(chunk)) {
      portion.push(piece)
      length += piece.length
      if (length < PIECE) continue
      yield portion
      portion = []
      length = 0
    }
  }
  if (portion.length > 0) yield portion
}

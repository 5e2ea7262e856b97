/** A stretch of a buffer, all zeroes or to be written. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly zero: boolean
}

const ZEROES = Buffer.alloc(2 << 20)

/** Whether [from, to) is all zeroes; at most 2 MiB. */
function isZeroRange(bytes: Buffer, from: number, to: number): boolean {
  // Data shows in its first bytes nearly always: comparing is the exception.
  if (bytes[from] !== 0 || bytes[to - 1] !== 0) return false
  return bytes.compare(ZEROES, 0, to - from, from, to) === 0
}

/** Stretches of `bytes`, in units of `unit` bytes: a unit counts as zero when all of it is. `unit` 0: nothing is looked at. */
export function zeroStretches(bytes: Uint8Array, unit: number): Stretch[] {
  if (unit === 0) return [{ from: 0, to: bytes.length, zero: false }]
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const stretches: { from: number; to: number; zero: boolean }[] = []
  for (let from = 0; from < buffer.length; from += unit) {
    const to = Math.min(buffer.length, from + unit)
    const zero = isZeroRange(buffer, from, to)
    const last = stretches.at(-1)
    if (last?.zero === zero) last.to = to
    else stretches.push({ from, to, zero })
  }
  return stretches
}

/** Unsigned LEB128 of a non-negative safe integer (Core Specification 5.2.2). */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = []
  do {
    const low = value % 128
    value = Math.floor(value / 128)
    bytes.push(value > 0 ? low | 0x80 : low)
  } while (value > 0)
  return bytes
}

/** Signed LEB128 of a 32-bit integer; unsigned inputs up to 2^32-1 are reinterpreted. */
export function signedLeb32(value: number): number[] {
  value |= 0
  const bytes: number[] = []
  for (;;) {
    const low = value & 0x7f
    value >>= 7
    if ((value === 0 && !(low & 0x40)) || (value === -1 && low & 0x40)) {
      bytes.push(low)
      return bytes
    }
    bytes.push(low | 0x80)
  }
}

/** Signed LEB128 of a 64-bit integer; unsigned inputs are reinterpreted. */
export function signedLeb64(value: bigint): number[] {
  if (value >= -0x40000000n && value < 0x40000000n) return signedLeb32(Number(value))
  value = BigInt.asIntN(64, value)
  const bytes: number[] = []
  for (;;) {
    const low = Number(value & 0x7fn)
    value >>= 7n
    if ((value === 0n && !(low & 0x40)) || (value === -1n && low & 0x40)) {
      bytes.push(low)
      return bytes
    }
    bytes.push(low | 0x80)
  }
}

/** Reversed polynomial of CRC-32C (Castagnoli), RFC 3720 section 12.1. */
const POLYNOMIAL = 0x82f63b78

/** tables[k][b]: what byte b does to the sum k bytes further on. */
const tables: readonly Uint32Array[] = makeTables()

function makeTables(): Uint32Array[] {
  const made = [Uint32Array.from({ length: 256 }, (_, byte) => {
    let sum = byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1
    return sum
  })]
  for (let k = 1; k < 4; k++) made.push(made[k - 1]!.map((sum) => (sum >>> 8) ^ made[0]![sum & 255]!))
  return made
}

/** CRC-32C of the bytes, the four at `field` taken as zero. */
export function crc32c(bytes: Uint8Array, field: number): number {
  const [one, two, three, four] = tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
  const step = (sum: number, byte: number): number => one[(sum ^ byte) & 255]! ^ (sum >>> 8)
  let sum = -1
  for (let at = 0; at < field; at++) sum = step(sum, bytes[at]!)
  for (let at = 0; at < 4; at++) sum = step(sum, 0)
  let at = field + 4
  for (; at + 4 <= bytes.length; at += 4) {
    sum ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    sum = four[sum & 255]! ^ three[(sum >>> 8) & 255]! ^ two[(sum >>> 16) & 255]! ^ one[sum >>> 24]!
  }
  for (; at < bytes.length; at++) sum = step(sum, bytes[at]!)
  return ~sum >>> 0
}

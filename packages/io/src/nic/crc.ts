const POLYNOMIAL = 0x04c1_1db7

/** CRC-32 of IEEE 802.3 (3.2.9) with its register as it stands, most significant bit first: what adapters index their hash tables with. */
export function ethernetCrc(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = (crc >>> 31) ^ (byte >> bit & 1)
      crc = (crc << 1) ^ (feedback ? POLYNOMIAL : 0)
    }
  }
  return crc >>> 0
}

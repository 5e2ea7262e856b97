import { CodedError } from '@entresol/kit'

const MAGIC = 0xfd2fb528

/** Bytes of the Zstandard frame that `bytes` begin with (RFC 8878, section 3.1.1): decoders do not like what stands behind it. Code `bad-image`. */
export function zstdFrameLength(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bad = (): CodedError => new CodedError('bad-image', 'compressed data: no whole Zstandard frame')
  if (bytes.length < 6 || view.getUint32(0, true) !== MAGIC) throw bad()
  const descriptor = bytes[4]!
  const single = descriptor >> 5 & 1
  const contentSize = [single, 2, 4, 8][descriptor >> 6]!
  let at = 5 + (1 - single) + [0, 1, 2, 4][descriptor & 3]! + contentSize
  for (let last = false; !last;) {
    if (at + 3 > bytes.length) throw bad()
    const header = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16
    last = (header & 1) !== 0
    // Block type 1 repeats one byte.
    at += 3 + ((header >> 1 & 3) === 1 ? 1 : header >> 3)
  }
  at += descriptor >> 2 & 1 ? 4 : 0
  if (at > bytes.length) throw bad()
  return at
}

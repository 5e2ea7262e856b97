import { CodedError } from '@entresol/kit'

/** Unit of a disk's offsets and lengths, in bytes. */
export const SECTOR = 512

/** Largest store and largest disk: 4 PiB less a cluster, far from where doubles lose bytes. */
export const MAX_SIZE: number = 2 ** 52

/** Refuses offsets and lengths no byte store can have: `bad-range`. */
export function checkBytes(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > MAX_SIZE) {
    throw new CodedError('bad-range', `no byte range: offset ${offset}, length ${length}`)
  }
}

/** Refuses what is not a range of whole sectors inside a disk of `size` bytes: `bad-range`. */
export function checkSectors(offset: number, length: number, size: number): void {
  checkBytes(offset, length)
  if (offset % SECTOR !== 0 || length % SECTOR !== 0) throw new CodedError('bad-range', `offset ${offset}, length ${length}: not whole sectors`)
  if (offset + length > size) throw new CodedError('bad-range', `offset ${offset}, length ${length}: behind the end, ${size}`)
}

/** What every store and every disk checks first: still open, and writable where the access writes. Codes `closed` and `read-only`. */
export function checkAccess(subject: { readonly closed: boolean; readonly readOnly: boolean }, writes: boolean): void {
  if (subject.closed) throw new CodedError('closed', 'the image is closed')
  if (writes && subject.readOnly) throw new CodedError('read-only', 'the image is read-only')
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  let at = 0
  const { length, byteOffset } = bytes
  if (length >= 64 && byteOffset % 8 === 0) {
    const words = new BigUint64Array(bytes.buffer, byteOffset, length >>> 3)
    for (const word of words) if (word !== 0n) return false
    at = words.length * 8
  }
  for (; at < length; at++) if (bytes[at] !== 0) return false
  return true
}

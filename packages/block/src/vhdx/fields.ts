/** Bytes as they stand in the file, in hexadecimal. */
export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
export const unhex = (digits: string): Uint8Array =>
  Uint8Array.from({ length: digits.length / 2 }, (_, at) => Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16))

export function hasSignature(bytes: Uint8Array, at: number, signature: string): boolean {
  for (let index = 0; index < signature.length; index++) if (bytes[at + index] !== signature.charCodeAt(index)) return false
  return true
}
export const setSignature = (bytes: Uint8Array, at: number, signature: string): void => bytes.set(new TextEncoder().encode(signature), at)

/** A GUID as people write it, of its 16 bytes in the file: the first three numbers are little-endian. */
export function guidText(bytes: Uint8Array): string {
  const digits = hex(Uint8Array.of(...[3, 2, 1, 0, 5, 4, 7, 6].map((at) => bytes[at]!), ...bytes.subarray(8, 16)))
  return `{${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}}`.toUpperCase()
}

export function utf16(value: string): Uint8Array {
  const bytes = new Uint8Array(value.length * 2)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < value.length; at++) view.setUint16(at * 2, value.charCodeAt(at), true)
  return bytes
}

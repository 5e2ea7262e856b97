import type { Gpa, GuestMemory } from '@entresol/interfaces'
import type { MemoryRegion } from '../../src/index.ts'

/** A PC's map: conventional memory with an EBDA, the hole to 1 MiB, and RAM up to `size`. */
export function pcMap(size: number): MemoryRegion[] {
  return [
    { base: 0, length: 0x9fc00, type: 'ram' },
    { base: 0x9fc00, length: 0x400, type: 'reserved' },
    { base: 0xf0000, length: 0x10000, type: 'reserved' },
    { base: 0x100000, length: size - 0x100000, type: 'ram' }
  ]
}

/** Sparse guest memory that counts every byte written outside its RAM. */
export class FakeMemory implements GuestMemory {
  readonly size: number
  readonly #map: readonly MemoryRegion[]
  readonly #pages = new Map<number, Uint8Array>()
  /** Writes that touched anything but RAM. */
  strayWrites = 0
  bytesWritten = 0

  constructor(size: number) {
    this.size = size
    this.#map = pcMap(size)
  }

  isRam(gpa: Gpa, length: number): boolean {
    return this.#map.some(({ base, length: size, type }) => type === 'ram' && gpa >= base && gpa + length <= base + size)
  }

  write(gpa: Gpa, from: Uint8Array): void {
    if (!this.isRam(gpa, from.length)) this.strayWrites++
    this.bytesWritten += from.length
    for (let done = 0; done < from.length;) {
      const at = gpa + done
      const page = Math.floor(at / 4096)
      let bytes = this.#pages.get(page)
      if (!bytes) this.#pages.set(page, bytes = new Uint8Array(4096))
      const part = from.subarray(done, done + 4096 - at % 4096)
      bytes.set(part, at % 4096)
      done += part.length
    }
  }

  read(gpa: Gpa, into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.readU8((gpa + i) as Gpa)
  }

  readU8(gpa: Gpa): number {
    return this.#pages.get(Math.floor(gpa / 4096))?.[gpa % 4096] ?? 0
  }

  readU16(gpa: Gpa): number {
    return this.readU8(gpa) | this.readU8((gpa + 1) as Gpa) << 8
  }

  readU32(gpa: Gpa): number {
    return (this.readU16(gpa) | this.readU16((gpa + 2) as Gpa) << 16) >>> 0
  }

  readU64(gpa: Gpa): bigint {
    return BigInt(this.readU32(gpa)) | BigInt(this.readU32((gpa + 4) as Gpa)) << 32n
  }

  writeU8(gpa: Gpa, value: number): void {
    this.write(gpa, Uint8Array.of(value))
  }

  writeU16(gpa: Gpa, value: number): void {
    this.write(gpa, Uint8Array.of(value, value >> 8))
  }

  writeU32(gpa: Gpa, value: number): void {
    this.write(gpa, Uint8Array.of(value, value >> 8, value >> 16, value >> 24))
  }

  writeU64(gpa: Gpa, value: bigint): void {
    this.writeU32(gpa, Number(value & 0xffff_ffffn))
    this.writeU32((gpa + 4) as Gpa, Number(value >> 32n))
  }

  bytes(base: number, length: number): Uint8Array {
    const into = new Uint8Array(length)
    this.read(base as Gpa, into)
    return into
  }

  text(base: number): string {
    let length = 0
    while (this.readU8((base + length) as Gpa) !== 0) length++
    return new TextDecoder().decode(this.bytes(base, length))
  }
}

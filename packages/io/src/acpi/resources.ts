import { type Aml, buffer, littleEndian } from './aml.ts'

/** Resource descriptors (ACPI 6.3, 6.4) for `resourceTemplate`. */

/** Buffer of descriptors closed with an end tag (checksum 0: not computed). */
export function resourceTemplate(...descriptors: readonly Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0x00])
}

/** IRQ descriptor without flags: edge, active high, exclusive (6.4.2.1). */
export function irq(...irqs: readonly number[]): Aml {
  return [0x22, ...littleEndian(irqs.reduce((mask, number) => mask | (1 << number), 0), 2)]
}

/** Extended interrupt descriptor, level, active high, shared, consumer (6.4.3.6). */
export function levelInterrupt(...gsis: readonly number[]): Aml {
  return [0x89, ...littleEndian(2 + 4 * gsis.length, 2), 0x09, gsis.length, ...gsis.flatMap((gsi) => littleEndian(gsi, 4))]
}

/** Fixed range of I/O ports, 16-bit decode (6.4.2.5). */
export function io(base: number, length: number): Aml {
  return [0x47, 0x01, ...littleEndian(base, 2), ...littleEndian(base, 2), 0x01, length]
}

/** Fixed 32-bit memory range (6.4.3.4). */
export function memory32Fixed(base: number, length: number, writable = true): Aml {
  return [0x86, 9, 0, writable ? 1 : 0, ...littleEndian(base, 4), ...littleEndian(length, 4)]
}

/** Ranges a bridge passes on: producer, positive decode, fixed ends (6.4.3.5). */
export function wordBusNumber(first: number, count: number): Aml {
  return addressSpace(0x88, 2, 2, 0, first, count)
}

export function wordIo(base: number, length: number): Aml {
  // Entire range: ISA and non-ISA addresses.
  return addressSpace(0x88, 2, 1, 3, base, length)
}

/** Non-cacheable, read-write. */
export function dwordMemory(base: number, length: number): Aml {
  return addressSpace(0x87, 4, 0, 1, base, length)
}

/** Prefetchable is for the bridge to say; here non-cacheable, read-write. */
export function qwordMemory(base: number, length: number): Aml {
  return addressSpace(0x8a, 8, 0, 1, base, length)
}

function addressSpace(tag: number, size: 2 | 4 | 8, type: number, typeFlags: number, base: number, length: number): Aml {
  const fields = [0, base, base + length - 1, 0, length].flatMap((value) => littleEndian(value, size))
  return [tag, ...littleEndian(3 + 5 * size, 2), type, 0x0c, typeFlags, ...fields]
}

import { CodedError } from '@entresol/kit'

/** AML bytes of a term, object or name (ACPI 6.3, chapter 20). Terms are built by nesting calls and joined with `join`. */
export type Aml = readonly number[]

export const ZERO: Aml = [0x00]
export const ONE: Aml = [0x01]

export function join(...parts: readonly Aml[]): Aml {
  return parts.flat()
}

/** NameString (20.2.2): `\_SB.PCI0`, `^X`, `FOO`; segments are padded with underscores. Throws `aml-name`. */
export function path(text: string): Aml {
  const match = /^(\\|\^*)((?:[A-Z_][A-Z0-9_]{0,3})(?:\.[A-Z_][A-Z0-9_]{0,3})*)?$/.exec(text)
  if (match === null) throw new CodedError('aml-name', `${text} is not an AML name`)
  const segments = (match[2] ?? '').split('.').filter((segment) => segment !== '')
  const count = segments.length
  const lead = count === 0 ? [0x00] : count === 1 ? [] : count === 2 ? [0x2e] : [0x2f, count]
  return [...codes(match[1]), ...lead, ...segments.flatMap((segment) => codes(segment.padEnd(4, '_')))]
}

/** Integer constant in its shortest form (20.2.3). */
export function integer(value: number | bigint): Aml {
  const wide = BigInt(value)
  if (wide === 0n) return ZERO
  if (wide === 1n) return ONE
  if (wide <= 0xffn) return [0x0a, Number(wide)]
  if (wide <= 0xffffn) return [0x0b, ...littleEndian(wide, 2)]
  if (wide <= 0xffff_ffffn) return [0x0c, ...littleEndian(wide, 4)]
  return [0x0e, ...littleEndian(wide, 8)]
}

export function string(text: string): Aml {
  return [0x0d, ...codes(text), 0]
}

/** Compressed EISA ID (19.3.4), `PNP0A03`. */
export function eisaId(id: string): Aml {
  const letter = (index: number): number => id.charCodeAt(index) - 0x40
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2)
  const product = Number.parseInt(id.slice(3), 16)
  return [0x0c, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff]
}

export function buffer(bytes: Aml): Aml {
  return [0x11, ...sized([...integer(bytes.length), ...bytes])]
}

/** Package of at most 255 elements. */
export function pkg(elements: readonly Aml[]): Aml {
  if (elements.length > 255) throw new CodedError('aml-package', `${elements.length} elements do not fit a package`)
  return [0x12, ...sized([elements.length, ...elements.flat()])]
}

export function named(name: string, value: Aml): Aml {
  return [0x08, ...path(name), ...value]
}

export function scope(name: string, ...body: readonly Aml[]): Aml {
  return [0x10, ...sized([...path(name), ...body.flat()])]
}

export function device(name: string, ...body: readonly Aml[]): Aml {
  return [0x5b, 0x82, ...sized([...path(name), ...body.flat()])]
}

/** Control method with `args` arguments. */
export function method(name: string, args: number, serialized: boolean, ...body: readonly Aml[]): Aml {
  return [0x14, ...sized([...path(name), args | (serialized ? 8 : 0), ...body.flat()])]
}

/** Address spaces of operation regions (19.6.100). */
export const SYSTEM_MEMORY = 0
export const SYSTEM_IO = 1
export const PCI_CONFIG = 2

export function operationRegion(name: string, space: number, offset: number, length: number): Aml {
  return [0x5b, 0x80, ...path(name), space, ...integer(offset), ...integer(length)]
}

/** Field units of `region` in bits; access 1 byte, 2 word, 3 dword; the rest of a unit is preserved. */
export function field(region: string, access: 1 | 2 | 3, units: readonly (readonly [name: string, bits: number])[]): Aml {
  return [0x5b, 0x81, ...sized([...path(region), access, ...units.flatMap(([name, bits]) => [...path(name), ...packageLength(bits, false)])])]
}

export function createDwordField(source: Aml, index: number, name: string): Aml {
  return [0x8a, ...source, ...integer(index), ...path(name)]
}

export function argument(index: number): Aml {
  return [0x68 + index]
}

export function store(value: Aml, target: Aml): Aml {
  return [0x70, ...value, ...target]
}

export function returns(value: Aml): Aml {
  return [0xa4, ...value]
}

export function and(a: Aml, b: Aml, target: Aml = ZERO): Aml {
  return [0x7b, ...a, ...b, ...target]
}

export function or(a: Aml, b: Aml, target: Aml = ZERO): Aml {
  return [0x7d, ...a, ...b, ...target]
}

export function ifElse(predicate: Aml, then: readonly Aml[], otherwise: readonly Aml[] = []): Aml {
  const branch = [0xa0, ...sized([...predicate, ...then.flat()])]
  return otherwise.length === 0 ? branch : [...branch, 0xa1, ...sized(otherwise.flat())]
}

export function littleEndian(value: number | bigint, size: number): number[] {
  const wide = BigInt(value)
  return Array.from({ length: size }, (_, index) => Number((wide >> BigInt(8 * index)) & 0xffn))
}

function codes(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0))
}

/** PkgLength (20.2.4) in front of its contents. */
function sized(body: Aml): number[] {
  return [...packageLength(body.length, true), ...body]
}

/** The length counts its own bytes when it leads a package, and not when it is a field's width. */
function packageLength(length: number, counted: boolean): number[] {
  for (let extra = 0; extra < 4; extra++) {
    const total = length + (counted ? extra + 1 : 0)
    if (extra === 0 ? total < 0x40 : total < 2 ** (4 + 8 * extra)) {
      if (extra === 0) return [total]
      return [(extra << 6) | (total & 15), ...littleEndian(total >>> 4, extra)]
    }
  }
  throw new CodedError('aml-package', `${length} bytes do not fit a package`)
}

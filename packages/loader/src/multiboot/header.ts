import { CodedError } from '@entresol/kit'
import { ByteView } from '../bytes.ts'
import * as spec from './spec.ts'
import * as spec2 from './spec2.ts'

/** The "a.out kludge": where to load a flat image, as its header says. Physical addresses. */
export interface FlatLayout {
  /** File offset of the first byte to load. */
  readonly offset: number
  readonly load: number
  /** Bytes to load from the file. */
  readonly length: number
  /** Bytes in memory; what is beyond `length` is zero. */
  readonly memorySize: number
}

export interface MultibootHeader {
  readonly version: 1 | 2
  readonly flat: FlatLayout | undefined
  readonly entry: number | undefined
}

function bad(what: string): CodedError {
  return new CodedError('bad-kernel', `multiboot kernel: ${what}`)
}

/** Finds a Multiboot 2 or Multiboot 1 header with a right checksum. Throws `bad-kernel` when it asks for what cannot be given. */
export function findMultibootHeader(image: Uint8Array): MultibootHeader | undefined {
  const view = new ByteView(image)
  for (let at = 0; at + spec2.HEADER2_SIZE <= Math.min(image.length, spec2.SEARCH2); at += 8) {
    if (view.u32(at) !== spec2.HEADER2_MAGIC || view.u32(at + spec2.H2_ARCHITECTURE) !== spec2.ARCHITECTURE_I386) continue
    const sum = view.u32(at) + view.u32(at + spec2.H2_ARCHITECTURE) + view.u32(at + spec2.H2_LENGTH) + view.u32(at + spec2.H2_CHECKSUM)
    if (sum % 0x1_0000_0000 === 0) return parse2(view, at)
  }
  for (let at = 0; at + spec.HEADER_SIZE <= Math.min(image.length, spec.SEARCH); at += 4) {
    if (view.u32(at) !== spec.HEADER_MAGIC) continue
    const sum = view.u32(at) + view.u32(at + spec.H_FLAGS) + view.u32(at + spec.H_CHECKSUM)
    if (sum % 0x1_0000_0000 === 0) return parse1(view, at)
  }
  return undefined
}

function parse1(view: ByteView, at: number): MultibootHeader {
  const flags = view.u32(at + spec.H_FLAGS)
  const unknown = flags & 0xffff & ~spec.KNOWN_REQUIREMENTS
  if (unknown !== 0) throw bad(`needs features 0x${unknown.toString(16)} of the loader, which are not known`)
  if ((flags & spec.FLAG_ADDRESSES) === 0) return { version: 1, flat: undefined, entry: undefined }
  if (!view.has(at, spec.HEADER_SIZE_ADDRESSES)) throw bad('truncated in its header')
  const field = (offset: number): number => view.u32(at + offset)
  return {
    version: 1,
    flat: flat(view, at, field(spec.H_HEADER_ADDR), field(spec.H_LOAD_ADDR), field(spec.H_LOAD_END_ADDR), field(spec.H_BSS_END_ADDR)),
    entry: field(spec.H_ENTRY_ADDR)
  }
}

function parse2(view: ByteView, at: number): MultibootHeader {
  const end = at + view.u32(at + spec2.H2_LENGTH)
  let layout: FlatLayout | undefined
  let entry: number | undefined
  if (end > view.length) throw bad('truncated in its header')
  for (let tag = at + spec2.HEADER2_SIZE; tag + 8 <= end;) {
    const type = view.u16(tag)
    const size = view.u32(tag + 4)
    if (type === spec2.HEADER_TAG_END) break
    if (size < 8 || tag + size > end) throw bad('broken header tag')
    if (type === spec2.HEADER_TAG_ADDRESS && size >= 24) {
      layout = flat(view, at, view.u32(tag + 8), view.u32(tag + 12), view.u32(tag + 16), view.u32(tag + 20))
    } else if (type === spec2.HEADER_TAG_ENTRY && size >= 12) entry = view.u32(tag + 8)
    else if (!spec2.HEADER_TAGS_KNOWN.includes(type) && (view.u16(tag + 2) & spec2.HEADER_TAG_OPTIONAL) === 0) {
      throw bad(`needs header tag ${type}, which is not known`)
    }
    tag += Math.ceil(size / 8) * 8
  }
  if (layout && entry === undefined) throw bad('load addresses without an entry address')
  return { version: 2, flat: layout, entry }
}

function flat(view: ByteView, at: number, headerAddress: number, load: number, loadEnd: number, bssEnd: number): FlatLayout {
  const offset = at - (headerAddress - load)
  const length = loadEnd === 0 ? view.length - offset : loadEnd - load
  if (offset < 0 || length <= 0 || !view.has(offset, length)) throw bad('truncated, or its load addresses make no sense')
  const memorySize = bssEnd === 0 ? length : bssEnd - load
  if (memorySize < length) throw bad('its zero-filled part ends before its contents do')
  return { offset, load, length, memorySize }
}

import { CodedError } from '@entresol/kit'
import { alignUp, ByteView, hex } from '../bytes.ts'
import type { Placement } from '../memory/placement.ts'
import * as spec from './spec.ts'

export interface ElfSegment {
  /** File contents; the rest up to `memorySize` is zero. */
  readonly data: Uint8Array
  readonly virtual: bigint
  readonly physical: number
  readonly memorySize: number
}

export interface ElfImage {
  readonly bits: 32 | 64
  readonly entry: bigint
  /** PT_LOAD segments that occupy memory. */
  readonly segments: readonly ElfSegment[]
  readonly notes: readonly ElfNote[]
}

export interface ElfNote {
  readonly owner: string
  readonly type: number
  readonly descriptor: Uint8Array
}

function bad(what: string): CodedError {
  return new CodedError('bad-kernel', `ELF kernel: ${what}`)
}

export function isElf(image: Uint8Array): boolean {
  return new ByteView(image).u32(0) === spec.ELF_MAGIC
}

/** Parses an executable for i386 or x86-64. Throws `bad-kernel`. */
export function parseElf(image: Uint8Array): ElfImage {
  const view = new ByteView(image)
  if (!isElf(image)) throw bad('no ELF header')
  const kind = view.u8(spec.EI_CLASS)
  if (kind !== spec.ELFCLASS32 && kind !== spec.ELFCLASS64) throw bad(`unknown class ${kind}`)
  const layout = kind === spec.ELFCLASS64 ? spec.ELF64 : spec.ELF32
  if (!view.has(0, layout.headerSize)) throw bad('truncated in its header')
  if (view.u8(spec.EI_DATA) !== spec.ELFDATA2LSB) throw bad('big-endian')
  const machine = view.u16(spec.E_MACHINE)
  if (machine !== spec.EM_386 && machine !== spec.EM_X86_64) throw bad(`for machine ${machine}, not for x86`)
  const type = view.u16(spec.E_TYPE)
  if (type !== spec.ET_EXEC && type !== spec.ET_DYN) throw bad(`type ${type} is no executable`)

  const word = (offset: number): bigint => kind === spec.ELFCLASS64 ? view.u64(offset) : BigInt(view.u32(offset))
  const number = (offset: number): number => Number(word(offset))
  const table = number(layout.phoff)
  const size = view.u16(layout.phentsize)
  const count = view.u16(layout.phnum)
  if (count === 0) throw bad('no program headers')
  if (count > spec.MAX_PROGRAM_HEADERS) throw bad(`${count} program headers`)
  if (size < layout.programHeaderSize || !view.has(table, size * count)) throw bad('truncated: its program headers are outside the file')

  const segments: ElfSegment[] = []
  const notes: ElfNote[] = []
  for (let i = 0; i < count; i++) {
    const at = table + i * size
    const kindOfSegment = view.u32(at)
    if (kindOfSegment !== spec.PT_LOAD && kindOfSegment !== spec.PT_NOTE) continue
    const offset = number(at + layout.pOffset)
    const length = number(at + layout.pFilesz)
    if (!view.has(offset, length)) throw bad(`truncated: segment ${i} is ${hex(offset)}+${hex(length)} of a file of ${hex(image.length)}`)
    const data = image.subarray(offset, offset + length)
    if (kindOfSegment === spec.PT_NOTE) {
      notes.push(...parseNotes(data, number(at + layout.pAlign) === 8 ? 8 : 4))
      continue
    }
    const memorySize = number(at + layout.pMemsz)
    if (memorySize < length) throw bad(`segment ${i} is larger in the file than in memory`)
    if (memorySize > 0) segments.push({ data, virtual: word(at + layout.pVaddr), physical: number(at + layout.pPaddr), memorySize })
  }
  if (segments.length === 0) throw bad('nothing to load')
  return { bits: kind === spec.ELFCLASS64 ? 64 : 32, entry: word(layout.entry), segments, notes }
}

/** Note entries of one PT_NOTE segment; a broken entry ends the list. */
function parseNotes(data: Uint8Array, alignment: number): ElfNote[] {
  const view = new ByteView(data)
  const notes: ElfNote[] = []
  for (let at = 0; view.has(at, 12);) {
    const nameSize = view.u32(at)
    const name = at + 12
    const descriptor = name + alignUp(nameSize, alignment)
    const descriptorSize = view.u32(at + 4)
    if (!view.has(name, nameSize) || !view.has(descriptor, descriptorSize)) break
    notes.push({
      owner: new TextDecoder('latin1').decode(data.subarray(name, name + Math.max(0, nameSize - 1))),
      type: view.u32(at + 8),
      descriptor: data.subarray(descriptor, descriptor + descriptorSize)
    })
    at = descriptor + alignUp(descriptorSize, alignment)
  }
  return notes
}

/** Claims and writes every segment at its physical address; checks all of them before the first byte is written. */
export function loadSegments(placement: Placement, segments: readonly ElfSegment[]): void {
  segments.forEach((segment, i) => placement.claim(`kernel segment ${i}`, segment.physical, segment.memorySize))
  for (const segment of segments) {
    placement.write(segment.physical, segment.data)
    placement.zero(segment.physical + segment.data.length, segment.memorySize - segment.data.length)
  }
}

/**
 * The entry as a physical address. e_entry is virtual by the ABI, but kernels (Linux's vmlinux) put a physical address there:
 * what lies in a segment's physical range is taken as it is.
 */
export function physicalEntry(image: ElfImage): number {
  const inRange = (start: bigint, segment: ElfSegment): boolean =>
    image.entry >= start && image.entry < start + BigInt(segment.memorySize)
  if (image.segments.some(segment => inRange(BigInt(segment.physical), segment))) return Number(image.entry)
  const segment = image.segments.find(candidate => inRange(candidate.virtual, candidate))
  if (!segment) throw bad(`entry point ${hex(Number(image.entry))} is in no segment`)
  return Number(image.entry - segment.virtual) + segment.physical
}

import { ByteView, cString } from '../bytes.ts'
import { type MemoryRegion, memoryTypeNumber } from '../memory/map.ts'
import { placeModule } from '../memory/modules.ts'
import type { Placement } from '../memory/placement.ts'
import { type LoadRequest, modulesOf } from '../request.ts'
import * as spec from './spec.ts'
import * as spec2 from './spec2.ts'

interface PlacedModule {
  readonly base: number
  readonly length: number
  readonly text: string
}

function placeModules(placement: Placement, request: LoadRequest): PlacedModule[] {
  return modulesOf(request).map((module, i) => ({
    base: placeModule(placement, `module ${i}`, module.data, 0x1_0000_0000), length: module.data.length, text: module.commandLine ?? ''
  }))
}

/** KiB of RAM from 0 and from 1 MiB up to the first hole. */
function basicMemory(map: readonly MemoryRegion[]): { lower: number; upper: number } {
  const upTo = (start: number): number => {
    const region = map.find(({ base, length, type }) => type === 'ram' && base <= start && base + length > start)
    return region ? Math.floor((region.base + region.length - start) / 1024) : 0
  }
  return { lower: Math.min(upTo(0), 640), upper: Math.min(upTo(0x100000), 0xffff_ffff) }
}

/** Writes the Multiboot 1 information structure with everything it points to; returns its address. */
export function writeInfo1(placement: Placement, request: LoadRequest): number {
  const modules = placeModules(placement, request)
  const texts = [request.commandLine ?? '', spec.BOOT_LOADER_NAME, ...modules.map(module => module.text)].map(cString)
  const map = placement.map
  const mapAt = spec.INFO_SIZE
  const modulesAt = mapAt + map.length * spec.MMAP_ENTRY_SIZE
  const textsAt = modulesAt + modules.length * spec.MODULE_SIZE
  const size = texts.reduce((sum, text) => sum + text.length, textsAt)
  const base = placement.table('multiboot information', size, 4096)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  const pointers: number[] = []
  texts.reduce((at, text) => {
    bytes.set(text, at)
    pointers.push(base + at)
    return at + text.length
  }, textsAt)

  const memory = basicMemory(map)
  view.setUint32(spec.I_FLAGS, spec.INFO_FLAGS, true)
  view.setUint32(spec.I_MEM_LOWER, memory.lower, true)
  view.setUint32(spec.I_MEM_UPPER, memory.upper, true)
  view.setUint32(spec.I_CMDLINE, pointers[0]!, true)
  view.setUint32(spec.I_BOOT_LOADER_NAME, pointers[1]!, true)
  view.setUint32(spec.I_MODS_COUNT, modules.length, true)
  view.setUint32(spec.I_MODS_ADDR, base + modulesAt, true)
  view.setUint32(spec.I_MMAP_LENGTH, map.length * spec.MMAP_ENTRY_SIZE, true)
  view.setUint32(spec.I_MMAP_ADDR, base + mapAt, true)
  map.forEach((region, i) => {
    const at = mapAt + i * spec.MMAP_ENTRY_SIZE
    view.setUint32(at, spec.MMAP_ENTRY_SIZE - 4, true)
    view.setBigUint64(at + 4, BigInt(region.base), true)
    view.setBigUint64(at + 12, BigInt(region.length), true)
    view.setUint32(at + 20, memoryTypeNumber(region.type), true)
  })
  modules.forEach((module, i) => {
    const at = modulesAt + i * spec.MODULE_SIZE
    view.setUint32(at, module.base, true)
    view.setUint32(at + 4, module.base + module.length, true)
    view.setUint32(at + 8, pointers[2 + i]!, true)
  })
  placement.write(base, bytes)
  return base
}

function tag(type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((8 + body.length) / 8) * 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, 8 + body.length, true)
  bytes.set(body, 8)
  return bytes
}

function words(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => view.setUint32(i * 4, value, true))
  return new Uint8Array(view.buffer)
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  parts.reduce((at, part) => {
    bytes.set(part, at)
    return at + part.length
  }, 0)
  return bytes
}

/** A copy of the RSDP for tag 14 (ACPI 1.0, 20 bytes) or 15 (2.0 and later, its own length). */
function rsdpTag(placement: Placement, rsdp: number): Uint8Array {
  const copy = new Uint8Array(36)
  placement.read(rsdp, copy)
  const revision = new ByteView(copy).u8(15)
  return revision < 2 ? tag(spec2.TAG_ACPI_OLD, copy.subarray(0, 20)) : tag(spec2.TAG_ACPI_NEW, copy)
}

/** Writes the Multiboot 2 information structure; returns its address. */
export function writeInfo2(placement: Placement, request: LoadRequest): number {
  const modules = placeModules(placement, request)
  const memory = basicMemory(placement.map)
  const map = placement.map.map(region => {
    const view = new DataView(new ArrayBuffer(spec2.MMAP2_ENTRY_SIZE))
    view.setBigUint64(0, BigInt(region.base), true)
    view.setBigUint64(8, BigInt(region.length), true)
    view.setUint32(16, memoryTypeNumber(region.type), true)
    return new Uint8Array(view.buffer)
  })
  const tags = join(
    tag(spec2.TAG_CMDLINE, cString(request.commandLine ?? '')),
    tag(spec2.TAG_BOOT_LOADER_NAME, cString(spec.BOOT_LOADER_NAME)),
    ...modules.map(module => tag(spec2.TAG_MODULE, join(words(module.base, module.base + module.length), cString(module.text)))),
    tag(spec2.TAG_BASIC_MEMINFO, words(memory.lower, memory.upper)),
    tag(spec2.TAG_MMAP, join(words(spec2.MMAP2_ENTRY_SIZE, 0), ...map)),
    ...(request.rsdp === undefined ? [] : [rsdpTag(placement, request.rsdp)]),
    tag(spec2.TAG_END, new Uint8Array(0))
  )
  const base = placement.table('multiboot information', tags.length + 8, 4096)
  placement.write(base, join(words(tags.length + 8, 0), tags))
  return base
}

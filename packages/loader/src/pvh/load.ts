import { CodedError } from '@entresol/kit'
import { ByteView, cString, hex } from '../bytes.ts'
import { type ElfImage, loadSegments } from '../elf/elf.ts'
import { type BootEntry, protectedModeEntry } from '../entry/entry.ts'
import { memoryTypeNumber } from '../memory/map.ts'
import { placeModule } from '../memory/modules.ts'
import type { Placement } from '../memory/placement.ts'
import { type LoadRequest, modulesOf } from '../request.ts'
import * as spec from './spec.ts'

/** The entry point a Xen note offers for PVH; undefined when the executable has none. */
export function pvhEntry(image: ElfImage): number | undefined {
  const note = image.notes.find(({ owner, type, descriptor }) =>
    owner === spec.XEN_NOTE_OWNER && type === spec.XEN_ELFNOTE_PHYS32_ENTRY && descriptor.length >= 4)
  if (!note) return undefined
  const view = new ByteView(note.descriptor)
  return note.descriptor.length >= 8 ? view.address(0) : view.u32(0)
}

function placeText(placement: Placement, name: string, text: string): number {
  const bytes = cString(text)
  const base = placement.table(name, bytes.length, 16)
  placement.write(base, bytes)
  return base
}

/** Loads an executable with a PVH entry: 32-bit protected mode, EBX = hvm_start_info. */
export function loadPvh(placement: Placement, request: LoadRequest, image: ElfImage, entry: number): { entry: BootEntry } {
  if (!image.segments.some(segment => entry >= segment.physical && entry < segment.physical + segment.memorySize)) {
    throw new CodedError('bad-kernel', `ELF kernel: PVH entry point ${hex(entry)} is in no segment`)
  }
  loadSegments(placement, image.segments)
  const modules = modulesOf(request)
  const size = spec.START_INFO_SIZE + modules.length * spec.MODLIST_ENTRY_SIZE + placement.map.length * spec.MEMMAP_ENTRY_SIZE
  const base = placement.table('hvm_start_info', size, 4096)
  const view = new DataView(new ArrayBuffer(size))
  const u64 = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(value), true)
  const moduleList = spec.START_INFO_SIZE
  const memoryMap = moduleList + modules.length * spec.MODLIST_ENTRY_SIZE

  view.setUint32(spec.START_INFO_MAGIC, spec.XEN_HVM_START_MAGIC_VALUE, true)
  view.setUint32(spec.START_INFO_VERSION, 1, true)
  view.setUint32(spec.START_INFO_NR_MODULES, modules.length, true)
  u64(spec.START_INFO_MODLIST_PADDR, modules.length > 0 ? base + moduleList : 0)
  u64(spec.START_INFO_CMDLINE_PADDR, placeText(placement, 'command line', request.commandLine ?? ''))
  u64(spec.START_INFO_RSDP_PADDR, request.rsdp ?? 0)
  u64(spec.START_INFO_MEMMAP_PADDR, base + memoryMap)
  view.setUint32(spec.START_INFO_MEMMAP_ENTRIES, placement.map.length, true)
  modules.forEach((module, i) => {
    const at = moduleList + i * spec.MODLIST_ENTRY_SIZE
    u64(at + spec.MODLIST_PADDR, placeModule(placement, i === 0 && request.initrd ? 'initrd' : `module ${i}`, module.data, 0x1_0000_0000))
    u64(at + spec.MODLIST_SIZE, module.data.length)
    if (module.commandLine !== undefined) {
      u64(at + spec.MODLIST_CMDLINE_PADDR, placeText(placement, `command line of module ${i}`, module.commandLine))
    }
  })
  placement.map.forEach((region, i) => {
    const at = memoryMap + i * spec.MEMMAP_ENTRY_SIZE
    u64(at + spec.MEMMAP_ADDR, region.base)
    u64(at + spec.MEMMAP_SIZE, region.length)
    view.setUint32(at + spec.MEMMAP_TYPE, memoryTypeNumber(region.type), true)
  })
  placement.write(base, new Uint8Array(view.buffer))
  return { entry: protectedModeEntry(placement, entry, { rbx: base }) }
}

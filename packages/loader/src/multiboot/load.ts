import { CodedError } from '@entresol/kit'
import { hex } from '../bytes.ts'
import { loadSegments, parseElf, physicalEntry } from '../elf/elf.ts'
import { type BootEntry, protectedModeEntry } from '../entry/entry.ts'
import type { Placement } from '../memory/placement.ts'
import type { LoadRequest } from '../request.ts'
import type { MultibootHeader } from './header.ts'
import { writeInfo1, writeInfo2 } from './info.ts'
import { BOOTLOADER_MAGIC } from './spec.ts'
import { BOOTLOADER2_MAGIC } from './spec2.ts'

/** Loads a Multiboot kernel: 32-bit protected mode, EAX = the loader's magic, EBX = the information structure. */
export function loadMultiboot(placement: Placement, request: LoadRequest, header: MultibootHeader): { entry: BootEntry } {
  let entry: number
  if (header.flat) {
    const { offset, load, length, memorySize } = header.flat
    entry = header.entry ?? load
    if (entry < load || entry >= load + memorySize) {
      throw new CodedError('bad-kernel', `multiboot kernel: entry point ${hex(entry)} is outside of what is loaded`)
    }
    loadSegments(placement, [{ data: request.kernel.subarray(offset, offset + length), virtual: BigInt(load), physical: load, memorySize }])
  } else {
    const image = parseElf(request.kernel)
    entry = header.entry ?? physicalEntry(image)
    loadSegments(placement, image.segments)
  }
  if (entry > 0xffff_ffff) throw new CodedError('bad-kernel', `multiboot kernel: entry point ${hex(entry)} is above 4 GiB`)
  const [rax, rbx] = header.version === 2
    ? [BOOTLOADER2_MAGIC, writeInfo2(placement, request)]
    : [BOOTLOADER_MAGIC, writeInfo1(placement, request)]
  return { entry: protectedModeEntry(placement, entry, { rax, rbx }) }
}

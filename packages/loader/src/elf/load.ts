import { CodedError } from '@entresol/kit'
import { hex } from '../bytes.ts'
import { type BootEntry, longModeEntry, protectedModeEntry } from '../entry/entry.ts'
import { linuxParameters } from '../linux/load.ts'
import { DEFAULT_INITRD_ADDR_MAX, LINUX_CMDLINE_SIZE } from '../linux/spec.ts'
import type { Placement } from '../memory/placement.ts'
import type { LoadRequest } from '../request.ts'
import { type ElfImage, loadSegments, physicalEntry } from './elf.ts'

/**
 * Loads a plain executable at its physical addresses. A 64-bit one starts in long mode, a 32-bit one in protected mode, each with
 * RSI pointing to Linux boot_params: that is how an uncompressed vmlinux is entered, and others need not look.
 */
export function loadElf(placement: Placement, request: LoadRequest, image: ElfImage): { entry: BootEntry } {
  const entry = physicalEntry(image)
  if (entry >= 0x1_0000_0000) throw new CodedError('bad-kernel', `ELF kernel: entry point ${hex(entry)} is above 4 GiB`)
  loadSegments(placement, image.segments)
  const rsi = linuxParameters(placement, request, {
    header: undefined, loadAddress: Math.min(...image.segments.map(segment => segment.physical)),
    commandLineMax: LINUX_CMDLINE_SIZE, initrdLimit: DEFAULT_INITRD_ADDR_MAX + 1, acceptsRsdp: true
  })
  return { entry: image.bits === 64 ? longModeEntry(placement, entry, { rsi }) : protectedModeEntry(placement, entry, { rsi }) }
}

import { CodedError } from '@entresol/kit'
import { sizeText } from './bytes.ts'
import { isElf, parseElf } from './elf/elf.ts'
import { loadElf } from './elf/load.ts'
import { isLinuxImage } from './linux/header.ts'
import { loadLinux } from './linux/load.ts'
import { Placement } from './memory/placement.ts'
import { findMultibootHeader } from './multiboot/header.ts'
import { loadMultiboot } from './multiboot/load.ts'
import { loadPvh, pvhEntry } from './pvh/load.ts'
import type { LoadedKernel, LoadRequest } from './request.ts'

/**
 * Loads a kernel of any known kind and everything it is to be given into guest memory, and says how to start it. In this order:
 * Linux bzImage, ELF with a PVH note, multiboot 2 or 1, plain ELF.
 *
 * Throws CodedError: `bad-kernel` (unknown, truncated or contradictory image, or one that wants memory that is not there),
 * `kernel-too-large`, `initrd-too-large`, `cmdline-too-long`, `no-room`, `bad-memory-map`. Guest memory may then be partly written,
 * but never outside its RAM.
 */
export function loadKernel(request: LoadRequest): LoadedKernel {
  const { kernel } = request
  const placement = new Placement(request.memory, request.map, request.memoryIsZero ?? false)
  const done = (format: LoadedKernel['format'], loaded: Pick<LoadedKernel, 'entry' | 'version'>): LoadedKernel =>
    ({ format, ...loaded, placed: placement.placed })

  if (isLinuxImage(kernel)) return done('linux', loadLinux(placement, request))
  const elf = isElf(kernel) ? parseElf(kernel) : undefined
  const pvh = elf && pvhEntry(elf)
  if (elf && pvh !== undefined) return done('pvh', loadPvh(placement, request, elf, pvh))
  const multiboot = findMultibootHeader(kernel)
  if (multiboot) return done(multiboot.version === 2 ? 'multiboot2' : 'multiboot', loadMultiboot(placement, request, multiboot))
  if (elf) return done('elf', loadElf(placement, request, elf))
  throw new CodedError('bad-kernel', `kernel image of ${sizeText(kernel.length)} is no Linux bzImage, ELF executable or multiboot image`)
}

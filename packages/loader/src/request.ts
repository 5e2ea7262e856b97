import type { GuestMemory } from '@entresol/interfaces'
import type { BootEntry } from './entry/entry.ts'
import type { TextScreen } from './linux/boot-params.ts'
import type { MemoryRegion } from './memory/map.ts'
import type { BootModule } from './memory/modules.ts'
import type { PlacedRange } from './memory/placement.ts'

/** What a board gives the loader in place of firmware. */
export interface LoadRequest {
  readonly memory: GuestMemory
  /** The guest-physical address map as the guest will be told it. What the board itself uses (EBDA, ACPI tables) is not 'ram' here. */
  readonly map: readonly MemoryRegion[]
  readonly kernel: Uint8Array
  readonly initrd?: Uint8Array
  /** Further files, for multiboot and PVH. */
  readonly modules?: readonly BootModule[]
  readonly commandLine?: string
  /** Guest-physical address of the ACPI RSDP; without it the guest searches for one. */
  readonly rsdp?: number
  /** Text mode the display is in; `undefined`: 80×25 colour text; 'none': no display. */
  readonly screen?: TextScreen | 'none'
  /** The board promises that guest RAM is all zero (power-on), so zero-filled parts need not be touched. */
  readonly memoryIsZero?: boolean
}

export type KernelFormat = 'linux' | 'pvh' | 'elf' | 'multiboot' | 'multiboot2'

export interface LoadedKernel {
  readonly format: KernelFormat
  readonly entry: BootEntry
  /** What was put where, in address order. */
  readonly placed: readonly PlacedRange[]
  /** The kernel's own version text, when its format has one. */
  readonly version?: string
}

/** All files beside the kernel, the initrd first. Empty ones are left out. */
export function modulesOf(request: LoadRequest): BootModule[] {
  return [...(request.initrd ? [{ data: request.initrd }] : []), ...(request.modules ?? [])].filter(module => module.data.length > 0)
}

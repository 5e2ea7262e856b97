import type { FramebufferSource } from '@entresol/interfaces'
import type { BootEntry } from '@entresol/loader'
import type { HostWork } from './drives/tracked-backend.ts'
import type { Platform } from './platform.ts'

/** What a board tells the machine around it. */
export interface BoardEvents extends HostWork {
  /** Guest asked for power-off (ACPI S5). */
  powerOff(): void
  /** Guest asked for a reset (8042, port 92h, CF9h, ACPI). */
  reset(): void
  /** isa-debug-exit. */
  exit(code: number): void
}

/** A wired set of devices around a Platform. */
export interface Board {
  readonly platform: Platform
  /** What the guest shows, on boards with a display adapter. */
  readonly display?: FramebufferSource | undefined
  /** Power-on reset of everything, then what firmware or the loader leaves behind; where the first processor starts. */
  powerOn(first: boolean): BootEntry
}

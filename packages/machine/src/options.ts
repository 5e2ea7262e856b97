import type { TraceItem } from '@entresol/cpu'
import type { BlockBackend, CharacterPort } from '@entresol/interfaces'
import type { DeviceOptions } from './devices/options.ts'
import type { GuestProfile } from './profile/guest-profile.ts'
import type { KernelSymbols } from './profile/kernel-symbols.ts'

export type BoardName = 'pc' | 'microvm'

export interface DriveOptions {
  readonly backend: BlockBackend
  /** `ide` (default): the next free of the four IDE places. */
  readonly interface?: 'ide'
  readonly media?: 'disk' | 'cdrom'
  /** 0 primary master … 3 secondary slave. */
  readonly index?: number
}

/** What a machine is made of. Sizes in bytes. */
export interface MachineOptions {
  /** Default `pc`. */
  readonly board?: BoardName
  /** Guest RAM, default 128 MiB; 1 MiB to 3.5 GiB. */
  readonly memory?: number
  /** Virtual CPUs, default 1. */
  readonly cpus?: number
  /**
   * `multi`: every CPU but the first has a thread of its own (up to 32 CPUs; needs shared memory, and a host that orders memory accesses as x86 does).
   * `single`: they run in turn on this thread. Default: `multi` in Node on x86, else `single`; always `single` with `deterministic`, `trace` or `profile`.
   */
  readonly threads?: 'single' | 'multi'
  /** CPU model with features added or removed, e.g. `x86-64-v2,+avx2`; default `x86-64-v2`. */
  readonly cpu?: string
  /** Kernel to boot directly: bzImage, PVH or ELF, multiboot. */
  readonly kernel?: Uint8Array
  readonly initrd?: Uint8Array
  /** Kernel command line. */
  readonly append?: string
  /** BIOS image for booting from disks. */
  readonly bios?: Uint8Array
  /** Option ROM of the display, e.g. the vgabios. */
  readonly vgaBios?: Uint8Array
  readonly drives?: readonly DriveOptions[]
  /** Devices beside the board's own. */
  readonly devices?: readonly DeviceOptions[]
  /** Boot order for firmware: `c` disk, `d` CD-ROM. Default `cd`. */
  readonly bootOrder?: string
  /** Boot order of the first start only. */
  readonly bootOnce?: string
  /** Firmware shows its text screen on the first serial port too, and takes keys from there. */
  readonly firmwareOnSerial?: boolean
  /** Host ends of the serial ports; the first defaults to `machine.console`. */
  readonly serial?: readonly (CharacterPort | undefined)[]
  /** What the debug port prints to. */
  readonly debugConsole?: CharacterPort
  /** Where the debug port is: default E9h; SeaBIOS prints to 402h. */
  readonly debugConsoleBase?: number
  readonly isaDebugExit?: { readonly iobase?: number; readonly iosize?: number }
  /** ACPI tables (default true) and HPET (default true) on the pc board. */
  readonly acpi?: boolean
  readonly hpet?: boolean
  /** No display adapter. */
  readonly noDisplay?: boolean
  /** A guest reset ends the machine instead (QEMU's -no-reboot). */
  readonly noReboot?: boolean
  /** A guest power-off leaves the machine paused instead of ending it (QEMU's -no-shutdown). */
  readonly noShutdown?: boolean
  /** What the RTC shows at power-on, in milliseconds since the epoch; default the host's time. */
  readonly rtcBase?: number
  /** Virtual time counted in instructions instead of the host's: equal runs give equal bytes. */
  readonly deterministic?: boolean
  /** What to log of the CPUs' work, a line at a time; `exec` steps every instruction singly. */
  readonly trace?: { readonly items: readonly TraceItem[]; readonly write: (line: string) => void }
  /** Where the guest's kernel spends its time: looked at after every slice of a CPU (100,000 instructions). */
  readonly profile?: GuestProfile
  /** Symbols of the guest's kernel, for names in `trace` and in profilers of the engine. A CPU in a thread of its own names no symbols. */
  readonly symbols?: KernelSymbols
  /** Bytes kept for decoded code, per CPU; default 48 MiB, less where many CPUs share what guest RAM leaves. */
  readonly codeCacheBytes?: number
}

/** Why a machine stopped for good. */
export type StopReason =
  | { readonly reason: 'power-off' }
  /** isa-debug-exit; `code` is what a process should return. */
  | { readonly reason: 'exit'; readonly code: number }
  /** A guest reset with noReboot. */
  | { readonly reason: 'reset' }
  /** Triple fault with noReboot: `registers` is a dump for people. */
  | { readonly reason: 'shutdown'; readonly registers: string }
  | { readonly reason: 'quit' }

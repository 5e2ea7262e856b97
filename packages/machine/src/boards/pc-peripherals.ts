import type { Resettable } from '@entresol/interfaces'
import type { InterruptRouter, PciBus } from '@entresol/io'
import type { TimerClock } from '../clock/timer-queue.ts'
import type { DriveOptions } from '../options.ts'
import type { Platform } from '../platform.ts'

type Keep = (device: Resettable) => void

export function attachIde(_platform: Platform, _pci: PciBus, _router: InterruptRouter, _drives: readonly DriveOptions[], _keep: Keep): void {}

export function attachDisplay(_platform: Platform, _pci: PciBus, _clock: TimerClock, _rom: Uint8Array | undefined, _keep: Keep): void {}

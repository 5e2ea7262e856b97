export { InstructionClock } from './clock/instruction-clock.ts'
export { HostClock } from './clock/host-clock.ts'
export { SerialConsole } from './console/serial-console.ts'
export type {
  DeviceOptions, PciNicOptions, PlugOptions, VirtioBlkOptions, VirtioConsoleOptions, VirtioConsolePortOptions, VirtioDeviceOptions,
  VirtioNetOptions, VirtioRngOptions,
} from './devices/options.ts'
export { Machine } from './machine.ts'
export type { MachineStats, VcpuStats } from './stats.ts'
export type { BoardName, DriveOptions, MachineOptions, StopReason } from './options.ts'
export { GuestProfile } from './profile/guest-profile.ts'
export { KernelSymbols } from './profile/kernel-symbols.ts'
export { dumpRegisters } from './register-dump.ts'
export { screenText } from './screen-text.ts'

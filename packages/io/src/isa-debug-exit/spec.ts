/** QEMU's `isa-debug-exit` device: its properties' defaults and the mapping of the value written to an exit code. */
export const DEFAULT_IOBASE = 0x501
export const DEFAULT_IOSIZE = 2

/** The process's exit code for `value` written by the guest: always odd, so never the 0 of an orderly end. */
export function exitCode(value: number): number {
  return value * 2 + 1
}

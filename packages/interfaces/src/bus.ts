/** Width of one bus access in bytes. */
export type AccessSize = 1 | 2 | 4

/** Why a device declined an access. The bus counts it and gives the guest its own answer, all ones. */
export type IoFault = 'no-register' | 'bad-size' | 'unaligned'

/** A device's register window. Runs once per exit: synchronous, no allocation, never throws for anything a guest does. */
export interface BusDevice {
  /** Kebab-case name in traces and snapshots, unique on a board. */
  readonly name: string
  /** Span of the registers in bytes; the bus guarantees 0 <= offset and offset + size <= length. */
  readonly length: number
  /** Reads `size` bytes at `offset`, little-endian, zero-extended to an unsigned number; or says why it cannot. */
  read(offset: number, size: AccessSize): number | IoFault
  /** Writes the low `size` bytes of `value`, already truncated and unsigned. */
  write(offset: number, size: AccessSize, value: number): IoFault | undefined
}

/**
 * An address space of devices, as the CPU sees it: I/O ports (0..0xffff) or guest physical memory outside RAM.
 * `address` is a byte address. Nothing mapped there reads as all ones and drops writes. Never throws.
 */
export interface Bus {
  read(address: number, size: AccessSize): number
  write(address: number, size: AccessSize, value: number): void
}

/** A bus devices can be put on. Ranges never overlap; mapping over one throws a coded error. */
export interface MappableBus extends Bus {
  /** Maps `device` at `base`; the returned handle removes or moves it (PCI BARs move at run time). */
  map(base: number, device: BusDevice): BusMapping
}

export interface BusMapping {
  readonly base: number
  unmap(): void
}

import type { Gfn, Gpa, MachineAddress, Mfn } from './address.ts'

/** Machine memory: one WebAssembly.Memory cut into 4 KiB frames, shared by the VMs and vCPUs placed in it. */
export interface MachineMemory {
  readonly wasm: WebAssembly.Memory
  /** Whole memory as views. The memory never grows after construction, so the views stay valid. */
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  /** Number of 4 KiB frames in all, and handed out. */
  readonly frames: number
  readonly framesUsed: number
  /** Allocates 2^order contiguous, naturally aligned, zeroed frames. Throws `machine-memory-exhausted`. */
  allocate(order: number): Mfn
  free(mfn: Mfn, order: number): void
  /** Takes `bytes` (rounded up to frames) of contiguous zeroed memory for a component's own tables, e.g. a vCPU's state and caches. */
  reserve(bytes: number): MachineAddress
}

/** What is behind one guest frame. */
export type FrameKind = 'ram' | 'rom' | 'none'

/**
 * A VM's guest-physical memory: guest frames mapped to machine frames (p2m). Host-side users (loaders, devices doing DMA)
 * go through this interface, and so reach only the guest's memory, allocate lazily, break copy-on-write and log dirty pages.
 * Reading where there is no memory gives 0xff bytes; writing there or to ROM is dropped. Nothing here throws for a bad address.
 */
export interface GuestMemory {
  /** Bytes of RAM in all. */
  readonly size: number
  read(gpa: Gpa, into: Uint8Array): void
  write(gpa: Gpa, from: Uint8Array): void
  readU8(gpa: Gpa): number
  readU16(gpa: Gpa): number
  readU32(gpa: Gpa): number
  readU64(gpa: Gpa): bigint
  writeU8(gpa: Gpa, value: number): void
  writeU16(gpa: Gpa, value: number): void
  writeU32(gpa: Gpa, value: number): void
  writeU64(gpa: Gpa, value: bigint): void
  /** True when [gpa, gpa+length) is RAM throughout. */
  isRam(gpa: Gpa, length: number): boolean
}

/** The physical-to-machine side of GuestMemory, for a software CPU filling its TLB. Hot: numbers only. */
export interface PhysicalMap {
  /**
   * Machine address of guest frame `gfn` for reading, -1 when it is not memory (the access goes to the MMIO bus).
   * Untouched RAM is given a frame here.
   */
  frameForRead(gfn: Gfn): number
  /**
   * Machine address for writing: breaks copy-on-write, marks the frame dirty. -1: not memory; -2: read-only memory (the write is dropped).
   */
  frameForWrite(gfn: Gfn): number
  /**
   * Machine address as things stand, with no side effect: nothing allocated, nothing marked. -1: not memory; -2 (forWrite): read-only memory;
   * -3: memory, but frameForRead or frameForWrite has work to do first (allocate, break copy-on-write, log as dirty).
   */
  peek(gfn: Gfn, forWrite: boolean): number
  /**
   * Mask a CPU applies to the low 32 bits of every guest physical address it emits, as a signed number: -1, or without bit 20 while A20M#
   * is asserted (Intel SDM vol. 3A, "Address bus masking"). onInvalidate fires for everything when it changes.
   */
  readonly addressMask: number
  /** A mapping changed or write access was withdrawn (dirty log restarted, copy-on-write share, ROM toggled): cached machine addresses must go. */
  onInvalidate(listener: (firstGfn: Gfn, count: number) => void): void
  /** Host-side code wrote guest memory, or the guest gave a frame back: CPUs drop code decoded from these machine bytes. */
  onHostWrite(listener: (address: MachineAddress, length: number) => void): void
}

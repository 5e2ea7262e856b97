/** A piece of memory that can be mapped into a guest-physical address space, once, more than once, or not at all. */
export interface MemoryRegion {
  /** Kebab-case name, for inspection and snapshots. */
  readonly name: string
  /** RAM counts towards the guest's size; ROM regions are mapped read-only unless asked otherwise. */
  readonly kind: 'ram' | 'rom'
  /** Size in bytes, a multiple of 4096. */
  readonly bytes: number
  /** Number of its first page in the guest's page store; the pages are consecutive. Internal to the package. */
  readonly firstPage: number
}

/** Pages of a region, and its dirty log while one runs. */
export interface RegionState extends MemoryRegion {
  readonly pages: number
  /** One bit per page of the region, bit n of word n >>> 5. */
  dirty: Uint32Array | undefined
}

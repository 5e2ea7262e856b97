/**
 * Numbers of the qcow2 format: QEMU's docs/interop/qcow2.txt (version 3; "compat=1.1"). All fields are big-endian.
 */

/** "QFI\xfb". */
export const MAGIC = 0x514649fb

/** Byte offsets of the header's fields. */
export const HEADER = {
  magic: 0, version: 4, backingFileOffset: 8, backingFileSize: 16, clusterBits: 20, size: 24, cryptMethod: 32, l1Size: 36, l1TableOffset: 40,
  refcountTableOffset: 48, refcountTableClusters: 56, nbSnapshots: 60, snapshotsOffset: 64,
  // Version 3.
  incompatibleFeatures: 72, compatibleFeatures: 80, autoclearFeatures: 88, refcountOrder: 96, headerLength: 100, compressionType: 104,
} as const
export const HEADER_LENGTH_V2 = 72
export const HEADER_LENGTH_V3 = 104
/** With compression_type and its padding. */
export const HEADER_LENGTH = 112

export const MIN_CLUSTER_BITS = 9
export const MAX_CLUSTER_BITS = 21
export const MAX_REFCOUNT_ORDER = 6
export const MAX_BACKING_NAME = 1023

/** Bits of incompatible_features. */
export const INCOMPATIBLE = { dirty: 0, corrupt: 1, externalData: 2, compressionType: 3, extendedL2: 4 } as const
/** Bits of compatible_features. */
export const COMPATIBLE = { lazyRefcounts: 0 } as const
/** Bits of autoclear_features. */
export const AUTOCLEAR = { bitmaps: 0, rawExternalData: 1 } as const

/** Types of header extensions. */
export const EXTENSION = {
  end: 0, backingFormat: 0xe2792aca, featureNames: 0x6803f857, bitmaps: 0x23852875, encryption: 0x0537be77, externalData: 0x44415441,
} as const

/** Values of compression_type. */
export const COMPRESSION = ['zlib', 'zstd'] as const

/** Upper half of an L1 or L2 entry. */
export const COPIED_HI = 0x80000000
export const COMPRESSED_HI = 0x40000000
/** Bits 9 to 55 of an entry: the host offset. */
export const OFFSET_HI = 0x00ffffff
export const OFFSET_LO = 0xfffffe00
/** Bit 0 of a standard L2 entry: reads as zeroes, from version 3 on. */
export const ZERO_LO = 1

export const L1_ENTRY = 8
export const L2_ENTRY = 8
/** Extended: 64 bits as usual, then 32 bits "reads as zeroes" and 32 bits "allocated", one per subcluster. */
export const EXTENDED_L2_ENTRY = 16
export const SUBCLUSTERS = 32

/** Tables of these many bytes are refused, so that an image cannot ask for any amount of memory. */
export const MAX_L1_BYTES: number = 2 ** 25
export const MAX_REFCOUNT_TABLE_BYTES: number = 2 ** 23
export const MAX_SNAPSHOTS = 65536
export const MAX_SNAPSHOT_EXTRA = 1024
export const MAX_SNAPSHOT_TABLE_BYTES: number = 2 ** 26

/** Byte offsets in a snapshot table entry; behind them extra data, id and name; entries begin at multiples of 8. */
export const SNAPSHOT = {
  l1TableOffset: 0, l1Size: 8, idLength: 12, nameLength: 14, dateSeconds: 16, dateNanoseconds: 20, vmClock: 24, vmStateSize: 32, extraLength: 36,
  extra: 40, extraVmStateSize: 40, extraDiskSize: 48,
} as const
/** Bytes of extra data we write: VM state size and disk size. */
export const SNAPSHOT_EXTRA = 16

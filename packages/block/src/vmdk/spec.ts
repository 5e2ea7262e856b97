/**
 * VMware Virtual Disk Format 1.1 (2007) and 5.0 (2011). Little-endian; positions and lengths in sectors of 512 bytes.
 * Offsets of the fields of a hosted sparse extent's header (SparseExtentHeader).
 */
export const HEADER = {
  magicNumber: 0,
  version: 4,
  flags: 8,
  capacity: 12,
  grainSize: 20,
  descriptorOffset: 28,
  descriptorSize: 36,
  numGTEsPerGT: 44,
  rgdOffset: 48,
  gdOffset: 56,
  overHead: 64,
  uncleanShutdown: 72,
  newLines: 73,
  compressAlgorithm: 77,
} as const

export const HEADER_LENGTH = 512
export const MAGIC_SPARSE = 'KDMV'
/** ESX Server sparse extents; not read here. */
export const MAGIC_COWD = 'COWD'
/** What a transfer as text would have changed. */
export const NEW_LINES = '\n \r\n'

/** Bits of the flags. */
export const FLAG_NEW_LINES = 1
export const FLAG_REDUNDANT = 2
export const FLAG_ZEROED_GRAIN = 4
export const FLAG_COMPRESSED: number = 1 << 16
export const FLAG_MARKERS: number = 1 << 17

export const COMPRESSION_NONE = 0
export const COMPRESSION_DEFLATE = 1
/** As the header's gdOffset: the footer at the end of the file has the real one. */
export const GD_AT_END = 0xffffffffffffffffn

/** Entries of grain directories and tables: not there, and, with the flag, all zeroes. */
export const GTE_ABSENT = 0
export const GTE_ZERO = 1
export const GTES_PER_GT = 512

/** Markers of stream-optimised extents: a sector, or the 12 bytes before a grain's compressed data, whose `value` is its first sector. */
export const MARKER = { value: 0, size: 8, type: 12, data: 12 } as const
export const MARKER_EOS = 0
export const MARKER_GT = 1
export const MARKER_GD = 2
export const MARKER_FOOTER = 3

export const DEFAULT_GRAIN = 128
/** Largest grain read here, sectors. */
export const MAX_GRAIN = 32768
/** Where the descriptor stands in new extents that have one, and how long it may be. */
export const DESCRIPTOR_OFFSET = 1
export const DESCRIPTOR_SECTORS = 20
/** Longest descriptor read here, bytes. */
export const MAX_DESCRIPTOR: number = 2 ** 20
/** Most extents read here. */
export const MAX_EXTENTS = 32768
/** Sectors of the extents that disks are split into: 2 GiB. */
export const SPLIT = 4194304
/** Of an image without a parent. */
export const NO_PARENT = 0xffffffff

/**
 * Virtual Hard Disk Image Format Specification, Microsoft, version 1.0 (October 11, 2006). Big-endian.
 * Offsets of the fields of the footer ("Hard Disk Footer Format").
 */
export const FOOTER = {
  cookie: 0,
  features: 8,
  fileFormatVersion: 12,
  dataOffset: 16,
  timeStamp: 24,
  creatorApplication: 28,
  creatorVersion: 32,
  creatorHostOs: 36,
  originalSize: 40,
  currentSize: 48,
  diskGeometry: 56,
  diskType: 60,
  checksum: 64,
  uniqueId: 68,
} as const

export const FOOTER_LENGTH = 512
export const FOOTER_COOKIE = 'conectix'
/** Reserved, always set. */
export const FEATURES = 2
export const VERSION_1_0 = 0x00010000
export const DISK_FIXED = 2
export const DISK_DYNAMIC = 3
export const DISK_DIFFERENCING = 4
/** Seconds from 1970 to the beginning of 2000, when time stamps count from. */
export const EPOCH = 946_684_800

/** Offsets of the fields of the dynamic disk header ("Dynamic Disk Header Format"). */
export const HEADER = {
  cookie: 0,
  dataOffset: 8,
  tableOffset: 16,
  headerVersion: 24,
  maxTableEntries: 28,
  blockSize: 32,
  checksum: 36,
  parentUniqueId: 40,
  parentTimeStamp: 56,
  parentUnicodeName: 64,
  parentLocators: 576,
} as const

export const HEADER_LENGTH = 1024
export const HEADER_COOKIE = 'cxsparse'
export const PARENT_NAME_LENGTH = 512
export const LOCATORS = 8

/** Fields of a parent locator entry of 24 bytes. */
export const LOCATOR = { platformCode: 0, platformDataSpace: 4, platformDataLength: 8, platformDataOffset: 16, length: 24 } as const
/** A path relative to the image, UTF-16 little-endian, and an absolute one. */
export const PLATFORM_W2RU = 0x57327275
export const PLATFORM_W2KU = 0x57326b75
/** Longest path of a locator read here, bytes. */
export const MAX_LOCATOR = 65536

export const BLOCK_UNUSED = 0xffffffff
export const DEFAULT_BLOCK: number = 2 ** 21
/** Largest block size read here, bytes. */
export const MAX_BLOCK: number = 2 ** 28

/** Cylinders, heads and sectors a track of the largest geometry ("CHS Calculation"): disks of this geometry may be larger. */
export const MAX_GEOMETRY = [65535, 16, 255] as const
/** Largest disk written, sectors: 2040 GiB, so that the table can name each block's sector in 32 bits. */
export const MAX_SECTORS = 0xff000000

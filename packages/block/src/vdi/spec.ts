/**
 * VirtualBox disk images, version 1.1. There is no published specification; layout as in VirtualBox's own header file VDICore.h.
 * Little-endian. Offsets of the fields in the first 512 bytes of the file.
 */
export const VDI = {
  text: 0x00,
  signature: 0x40,
  version: 0x44,
  headerSize: 0x48,
  imageType: 0x4c,
  offsetBlocks: 0x154,
  offsetData: 0x158,
  sectorSize: 0x168,
  diskSize: 0x170,
  blockSize: 0x178,
  blockExtra: 0x17c,
  blocksInImage: 0x180,
  blocksAllocated: 0x184,
  uuidImage: 0x188,
  uuidLastSnapshot: 0x198,
  uuidLink: 0x1a8,
  uuidParent: 0x1b8,
} as const

export const HEADER_LENGTH = 512
export const SIGNATURE = 0xbeda107f
/** Major version in the high half. */
export const VERSION_1_1 = 0x00010001
/** Bytes from the field headerSize to the end of the header proper. */
export const HEADER_SIZE = 0x180
export const TEXT = '<<< Entresol Virtual Disk Image >>>\n'

export const IMAGE_DYNAMIC = 1
export const IMAGE_STATIC = 2

/** Entries of the block map that are no block numbers. */
export const BLOCK_FREE = 0xffffffff
export const BLOCK_ZERO = 0xfffffffe

export const DEFAULT_BLOCK: number = 2 ** 20
/** Most blocks an image may have here: a map of 2 GiB. */
export const MAX_BLOCKS: number = 2 ** 29
/** Largest block size read here, bytes. */
export const MAX_BLOCK: number = 2 ** 28

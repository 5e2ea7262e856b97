/** Virtual Hard Disk v2 (VHDX) File Format, Microsoft [MS-VHDX], v20180912. Little-endian. Sections in brackets. */

export const MIB: number = 2 ** 20

/** File type identifier [2.2.1]: this, then the creator in UTF-16. */
export const FILE_SIGNATURE = 'vhdxfile'
export const CREATOR_OFFSET = 8

/** The two headers [2.2.2] and the two region tables [2.2.3] in the file. */
export const HEADER_OFFSETS = [0x10000, 0x20000] as const
export const HEADER_LENGTH = 4096
export const REGION_TABLE_OFFSETS = [0x30000, 0x40000] as const
export const REGION_TABLE_LENGTH = 65536

/** Fields of a header. */
export const HEADER = {
  signature: 0, checksum: 4, sequenceNumber: 8, fileWriteGuid: 16, dataWriteGuid: 32, logGuid: 48, logVersion: 64, version: 66, logLength: 68,
  logOffset: 72,
} as const
export const HEADER_SIGNATURE = 'head'
export const VERSION = 1

/** Fields of a region table's header, and of its entries of 32 bytes from 16 on. */
export const REGION_TABLE = { signature: 0, checksum: 4, entryCount: 8, entries: 16 } as const
export const REGION_SIGNATURE = 'regi'
export const REGION = { guid: 0, fileOffset: 16, length: 24, required: 28, size: 32 } as const
export const MAX_REGIONS = 2047
/** GUIDs are written as they stand in the file, in hexadecimal. */
export const REGION_BAT = '6677c22d23f600429d64115e9bfd4a08'
export const REGION_METADATA = '06a27c8b90479a4bb8fe575f050f886e'

/** Log entries [2.3.1] are made of sectors of this many bytes. */
export const LOG_SECTOR = 4096
export const LOG_ENTRY = {
  signature: 0, checksum: 4, entryLength: 8, tail: 12, sequenceNumber: 16, descriptorCount: 24, logGuid: 32, flushedFileOffset: 48, lastFileOffset: 56,
  descriptors: 64,
} as const
export const LOG_SIGNATURE = 'loge'
/** Descriptors of 32 bytes: of zeroes [2.3.1.2], and of a sector of data [2.3.1.3] whose first 8 and last 4 bytes they hold. */
export const DESCRIPTOR = { signature: 0, trailingBytes: 4, leadingBytes: 8, zeroLength: 8, fileOffset: 16, sequenceNumber: 24, size: 32 } as const
export const ZERO_SIGNATURE = 'zero'
export const DATA_SIGNATURE = 'desc'
/** Data sectors [2.3.1.4]: the 4084 bytes between those. */
export const DATA_SECTOR = { signature: 0, sequenceHigh: 4, data: 8, sequenceLow: 4092 } as const
export const DATA_SECTOR_SIGNATURE = 'data'
/** Longest log read here, bytes; others write 1 MiB. */
export const MAX_LOG: number = 64 * MIB

/** Entries of the block allocation table [2.5.1]: state in the low 3 bits, offset in MiB in the high 44. */
export const PAYLOAD_NOT_PRESENT = 0
export const PAYLOAD_UNDEFINED = 1
export const PAYLOAD_ZERO = 2
export const PAYLOAD_UNMAPPED = 3
export const PAYLOAD_FULLY_PRESENT = 6
export const PAYLOAD_PARTIALLY_PRESENT = 7
export const BITMAP_PRESENT = 6

/** Sectors a sector bitmap block of 1 MiB has bits for [2.4]. */
export const BITMAP_SECTORS: number = 2 ** 23

/** Metadata table [2.6.1]: entries of 32 bytes from 32 on. */
export const METADATA_TABLE = { signature: 0, entryCount: 10, entries: 32 } as const
export const METADATA_SIGNATURE = 'metadata'
export const METADATA = { itemId: 0, offset: 16, length: 20, flags: 24, size: 32 } as const
export const METADATA_TABLE_LENGTH = 65536
export const MAX_METADATA = 2047
export const FLAG_VIRTUAL_DISK = 2
export const FLAG_REQUIRED = 4

/** Known items [2.6.2]. */
export const ITEM_FILE_PARAMETERS = '3767a1ca36fa434db3b633f0aa44e76b'
export const ITEM_DISK_SIZE = '2442a52f1bcd7648b2115dbed83bf4b8'
export const ITEM_DISK_ID = 'ab12cabee6b2234593efc309e000c746'
export const ITEM_LOGICAL_SECTOR = '1dbf41816fa90947ba47f233a8faab5f'
export const ITEM_PHYSICAL_SECTOR = 'c748a3cd5d4471449cc9e9885251c556'
export const ITEM_PARENT_LOCATOR = '2d5fd3a80bb34d45abf7d3d84834ab0c'
/** Bits of the second word of the file parameters. */
export const LEAVE_BLOCKS_ALLOCATED = 1
export const HAS_PARENT = 2

/** Parent locator [2.6.2.6]: type of VHDX parents, then entries of 12 bytes from 20 on. */
export const LOCATOR = { type: 0, keyValueCount: 18, entries: 20, entrySize: 12 } as const
export const LOCATOR_VHDX = 'b7ef4ab09ed1814ab78925b8e9445913'

export const MIN_BLOCK: number = 2 ** 20
export const MAX_BLOCK: number = 256 * MIB
export const MAX_DISK: number = 64 * 2 ** 40

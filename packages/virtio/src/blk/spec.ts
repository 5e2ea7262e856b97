/** virtio 1.2, 5.2 "Block Device". */
export const DEVICE_ID = 2

/** 5.2.3 Feature bits. */
export const F_SEG_MAX: bigint = 1n << 2n
export const F_RO: bigint = 1n << 5n
export const F_BLK_SIZE: bigint = 1n << 6n
export const F_FLUSH: bigint = 1n << 9n
export const F_TOPOLOGY: bigint = 1n << 10n
export const F_CONFIG_WCE: bigint = 1n << 11n
export const F_MQ: bigint = 1n << 12n
export const F_DISCARD: bigint = 1n << 13n
export const F_WRITE_ZEROES: bigint = 1n << 14n

/** 5.2.4 Device configuration layout, byte offsets. */
export const CONFIG_CAPACITY = 0
export const CONFIG_SEG_MAX = 12
export const CONFIG_BLK_SIZE = 20
export const CONFIG_PHYSICAL_BLOCK_EXP = 24
export const CONFIG_MIN_IO_SIZE = 26
export const CONFIG_OPT_IO_SIZE = 28
export const CONFIG_WRITEBACK = 32
export const CONFIG_NUM_QUEUES = 34
export const CONFIG_MAX_DISCARD_SECTORS = 36
export const CONFIG_MAX_DISCARD_SEG = 40
export const CONFIG_DISCARD_ALIGNMENT = 44
export const CONFIG_MAX_WRITE_ZEROES_SECTORS = 48
export const CONFIG_MAX_WRITE_ZEROES_SEG = 52
export const CONFIG_WRITE_ZEROES_MAY_UNMAP = 56
export const CONFIG_BYTES = 60

/** 5.2.6 Device operation: request header, and the last writable byte. */
export const REQUEST_TYPE = 0
export const REQUEST_SECTOR = 8
export const HEADER_BYTES = 16
export const SECTOR = 512

export const T_IN = 0
export const T_OUT = 1
export const T_FLUSH = 4
export const T_GET_ID = 8
export const T_DISCARD = 11
export const T_WRITE_ZEROES = 13

export const S_OK = 0
export const S_IOERR = 1
export const S_UNSUPP = 2

export const ID_BYTES = 20

/** Segments of discard and write-zeroes requests. */
export const SEGMENT_SECTORS = 8
export const SEGMENT_FLAGS = 12
export const SEGMENT_BYTES = 16
export const SEGMENT_F_UNMAP = 1

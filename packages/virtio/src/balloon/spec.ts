/** virtio 1.2, 5.5 Traditional Memory Balloon Device. */

export const VIRTIO_ID_BALLOON = 5

/** 5.5.3 Feature bits. MUST_TELL_HOST is not offered: a page the driver takes back unasked reads as zeros, no more. */
export const F_STATS_VQ: bigint = 1n << 1n
export const F_DEFLATE_ON_OOM: bigint = 1n << 2n
export const F_FREE_PAGE_HINT: bigint = 1n << 3n
export const F_PAGE_POISON: bigint = 1n << 4n
export const F_PAGE_REPORTING: bigint = 1n << 5n

/** 5.5.2 Virtqueues. */
export const INFLATEQ = 0
export const DEFLATEQ = 1
export const STATSQ = 2
export const FREE_PAGE_VQ = 3
export const REPORTING_VQ = 4

/** 5.5.4 Device configuration layout, le32 each. */
export const CONFIG_NUM_PAGES = 0
export const CONFIG_ACTUAL = 4
export const CONFIG_FREE_PAGE_HINT_CMD_ID = 8
export const CONFIG_POISON_VAL = 12
export const CONFIG_BYTES = 16

/** 5.5.6: pages of the balloon have 4096 bytes, whatever the guest's have. */
export const PAGE = 4096
/** 5.5.6.3: le16 tag, le64 value. */
export const STAT_BYTES = 10
/** 5.5.6.5 Free Page Hinting. */
export const CMD_ID_STOP = 0
export const CMD_ID_DONE = 1
export const FIRST_CMD_ID = 2

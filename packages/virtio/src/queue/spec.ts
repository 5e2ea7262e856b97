/** virtio 1.2, 2.7.5 and 2.8.13: a descriptor is an address (8 bytes), a length (4) and two 16-bit words in an order of each format. */
export const DESC_BYTES = 16
export const DESC_ADDRESS = 0
export const DESC_LENGTH = 8
export const DESC_F_NEXT = 1
export const DESC_F_WRITE = 2
export const DESC_F_INDIRECT = 4

/** 2.7.5.2: a chain may not be longer than this in all, in bytes. */
export const MAX_CHAIN_BYTES = 0xffff_ffff
/**
 * Descriptors of one buffer that are accepted whatever the queue's size. 2.7.5.3.1 forbids more than the queue has entries, which drivers of Linux
 * with indirect tables do not keep to.
 */
export const MAX_CHAIN_DESCRIPTORS = 1024

/** 2.7.5, 2.7.6, 2.7.8: split rings. */
export const SPLIT_FLAGS = 12
export const SPLIT_NEXT = 14
export const AVAIL_FLAGS = 0
export const AVAIL_IDX = 2
export const AVAIL_RING = 4
export const AVAIL_F_NO_INTERRUPT = 1
export const USED_FLAGS = 0
export const USED_IDX = 2
export const USED_RING = 4
export const USED_ELEMENT_BYTES = 8
export const USED_F_NO_NOTIFY = 1

/** 2.8.13, 2.8.14: packed rings. */
export const PACKED_ID = 12
export const PACKED_FLAGS = 14
export const PACKED_F_AVAIL = 0x80
export const PACKED_F_USED = 0x8000
/** Event suppression: the descriptor's offset and wrap counter, then flags. */
export const EVENT_DESC = 0
export const EVENT_FLAGS = 2
export const EVENT_WRAP = 0x8000
export const EVENT_BYTES = 4
export const EVENT_FLAGS_ENABLE = 0
export const EVENT_FLAGS_DISABLE = 1
export const EVENT_FLAGS_DESC = 2

/** 2.6: alignment of the three areas. */
export const DESC_ALIGN = 16
export const AVAIL_ALIGN = 2
export const USED_ALIGN = 4

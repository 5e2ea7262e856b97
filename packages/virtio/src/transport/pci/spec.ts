/** virtio 1.2, 4.1 "Virtio Over PCI Bus". */
export const VENDOR_ID = 0x1af4
/** 4.1.2: the device ID is this plus the virtio device ID. */
export const DEVICE_ID_BASE = 0x1040
/** 4.1.2.1: what says "not transitional". */
export const REVISION = 1
export const SUBSYSTEM_ID = 0x1100

/** 4.1.4: vendor-specific capabilities, and what each points at. */
export const CAPABILITY_VENDOR = 0x09
export const CAP_COMMON_CFG = 1
export const CAP_NOTIFY_CFG = 2
export const CAP_ISR_CFG = 3
export const CAP_DEVICE_CFG = 4
export const CAP_PCI_CFG = 5
/** Layout of a capability: length, type, BAR, offset, length of the structure, extra data. */
export const CAP_LENGTH = 2
export const CAP_TYPE = 3
export const CAP_BAR = 4
export const CAP_OFFSET = 8
export const CAP_STRUCTURE_LENGTH = 12
export const CAP_BYTES = 16
export const CAP_EXTRA = 16

/** 4.1.4.3: common configuration. */
export const DEVICE_FEATURE_SELECT = 0
export const DEVICE_FEATURE = 4
export const DRIVER_FEATURE_SELECT = 8
export const DRIVER_FEATURE = 12
export const CONFIG_MSIX_VECTOR = 16
export const NUM_QUEUES = 18
export const DEVICE_STATUS = 20
export const CONFIG_GENERATION = 21
export const QUEUE_SELECT = 22
export const QUEUE_SIZE = 24
export const QUEUE_MSIX_VECTOR = 26
export const QUEUE_ENABLE = 28
export const QUEUE_NOTIFY_OFF = 30
export const QUEUE_DESC = 32
export const QUEUE_DEVICE_END = 56
export const QUEUE_NOTIF_CONFIG_DATA = 56
export const QUEUE_RESET = 58
export const COMMON_BYTES = 60

/** 4.1.5.1.2: no message for these events. */
export const NO_VECTOR = 0xffff

/** Where the structures are in the BAR; ours to choose. Each notification address is four bytes from the next (4.1.4.4). */
export const COMMON_AT = 0x0000
export const ISR_AT = 0x1000
export const DEVICE_AT = 0x2000
export const NOTIFY_AT = 0x3000
export const NOTIFY_MULTIPLIER = 4
export const NOTIFY_LEAST = 0x1000

/** PCI class codes (PCI Code and ID Assignment 1.11) by virtio device ID; others are "unclassified" peripherals. */
export const CLASS_CODES: ReadonlyMap<number, number> = new Map([
  [1, 0x020000], [2, 0x010000], [3, 0x078000], [4, 0x00ff00], [5, 0x00ff00], [9, 0x000200], [16, 0x038000], [18, 0x090000], [19, 0x078000],
])
export const CLASS_OTHER = 0x00ff00

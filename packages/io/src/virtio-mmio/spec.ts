/** virtio 1.2, 4.2.2 "MMIO Device Register Layout". */
export const MAGIC_VALUE = 0x000
export const VERSION = 0x004
export const DEVICE_ID = 0x008
export const VENDOR_ID = 0x00c

/** "virt", little-endian. */
export const MAGIC = 0x74726976
export const VERSION_1 = 2
/** Placeholder: no device is plugged in; a driver must leave the slot alone. */
export const DEVICE_ID_NONE = 0
/** "ENTR". */
export const VENDOR = 0x52544e45

/** Bytes from one slot to the next. */
export const SLOT_LENGTH = 0x200

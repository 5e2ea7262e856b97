/** Intel 8254 datasheet (231164); its wiring in a PC from the PIIX3 datasheet (290550, 2.5.2). */
export const PIT_PORT = 0x40
/** 14.31818 MHz / 12 = 105/88 MHz: counter clocks per nanosecond are 105/88000. */
export const PIT_CLOCKS_NUMERATOR = 105
export const PIT_NANOSECONDS_DENOMINATOR = 88_000
export const PIT_FREQUENCY: number = 105e6 / 88

export const PIT_CONTROL = 3
export const CONTROL_CHANNEL_SHIFT = 6
export const CONTROL_READ_BACK = 3
export const CONTROL_ACCESS_SHIFT = 4
export const ACCESS_LATCH = 0
export const ACCESS_LOW = 1
export const ACCESS_HIGH = 2
export const ACCESS_BOTH = 3
export const READ_BACK_NO_COUNT = 0x20
export const READ_BACK_NO_STATUS = 0x10
export const STATUS_OUT = 0x80
export const STATUS_NULL_COUNT = 0x40

/** Motorola MC146818A datasheet; the PC's CMOS map of IBM and its extensions by Bochs and QEMU that SeaBIOS reads. */
export const RTC_PORT = 0x70
export const CMOS_SIZE = 128
/** Index port: bit 7 masks NMI. */
export const RTC_INDEX_MASK = 0x7f

export const RTC_SECONDS = 0
export const RTC_SECONDS_ALARM = 1
export const RTC_MINUTES = 2
export const RTC_MINUTES_ALARM = 3
export const RTC_HOURS = 4
export const RTC_HOURS_ALARM = 5
export const RTC_DAY_OF_WEEK = 6
export const RTC_DAY = 7
export const RTC_MONTH = 8
export const RTC_YEAR = 9
export const RTC_A = 10
export const RTC_B = 11
export const RTC_C = 12
export const RTC_D = 13
/** Named to systems by the FADT. */
export const RTC_CENTURY = 0x32

export const A_UIP = 0x80
export const A_DIVIDER = 0x70
/** Divider codes 11x hold the divider chain in reset. */
export const A_DIVIDER_RESET = 0x60
export const A_RATE = 0x0f
export const B_SET = 0x80
export const B_PIE = 0x40
export const B_AIE = 0x20
export const B_UIE = 0x10
export const B_SQWE = 0x08
/** Data mode: binary instead of BCD. */
export const B_DM = 0x04
export const B_24 = 0x02
/** Periodic, alarm and update flags, in the same bits of C as their enables in B. */
export const C_IRQF = 0x80
export const C_FLAGS = 0x70
export const D_VRT = 0x80
export const HOURS_PM = 0x80
/** Alarm bytes with both high bits set match anything. */
export const ALARM_ANY = 0xc0

/** UIP rises 244 us before the update cycle of 1984 us at a 32.768 kHz time base (table 5); the registers change at its end. */
export const UPDATE_MILLISECONDS = 2.228
/** Divider released: the first update follows half a second later. */
export const DIVIDER_START_MILLISECONDS = 500

/** CMOS bytes that firmware reads. */
export const CMOS_FLOPPY = 0x10
export const CMOS_DISKS = 0x12
export const CMOS_EQUIPMENT = 0x14
export const CMOS_BASE_MEMORY = 0x15
export const CMOS_EXTENDED_MEMORY = 0x17
export const CMOS_EXTENDED_MEMORY_2 = 0x30
/** Memory above 16 MiB, in units of 64 KiB. */
export const CMOS_MEMORY_ABOVE_16M = 0x34
/** Third boot device in the high nibble; bit 0 skips the floppy signature check. */
export const CMOS_BOOT_3 = 0x38
/** First boot device in the low nibble, second in the high one. */
export const CMOS_BOOT_12 = 0x3d
/** Memory above 4 GiB, in units of 64 KiB, three bytes. */
export const CMOS_MEMORY_ABOVE_4G = 0x5b
/** Processors less one. */
export const CMOS_CPU_COUNT = 0x5f

/** IA-PC HPET specification 1.0a, section 2.3. */
export const HPET_DEFAULT_BASE = 0xfed0_0000
export const HPET_WINDOW = 0x400
export const HPET_TIMERS = 3
/** Nanoseconds per count: 100 MHz. */
export const HPET_TICK = 10
/** COUNTER_CLK_PERIOD in femtoseconds. */
export const HPET_PERIOD_FS = 10_000_000

export const HPET_CAPABILITIES = 0x000
export const HPET_CONFIGURATION = 0x010
export const HPET_INTERRUPT_STATUS = 0x020
export const HPET_COUNTER = 0x0f0
export const HPET_TIMER_BASE = 0x100
export const HPET_TIMER_STRIDE = 0x20
/** Vendor 8086h, legacy replacement, 64-bit counter, three timers, revision 1. */
export const HPET_CAPABILITIES_LOW = 0x8086_a201

export const CONFIGURATION_ENABLE = 0x1
export const CONFIGURATION_LEGACY = 0x2

export const TIMER_LEVEL = 0x0002
export const TIMER_INTERRUPT_ENABLE = 0x0004
export const TIMER_PERIODIC = 0x0008
export const TIMER_PERIODIC_CAPABLE = 0x0010
export const TIMER_SIZE_64 = 0x0020
export const TIMER_VALUE_SET = 0x0040
export const TIMER_32BIT = 0x0100
export const TIMER_ROUTE_SHIFT = 9
export const TIMER_WRITABLE = 0x3f4e
/** I/O APIC pins 20..23. */
export const TIMER_ROUTES = 0x00f0_0000

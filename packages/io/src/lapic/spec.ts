/** Intel SDM vol. 3, chapter 11 (APIC); section numbers of the edition of December 2023. */

/** Default physical address of the xAPIC page (11.4.1). */
export const APIC_DEFAULT_BASE = 0xfee0_0000
export const APIC_PAGE_SIZE = 0x1000

/** Register offsets in the page (table 11-1). In x2APIC mode the MSR is 800h + offset / 16. */
export const APIC_ID = 0x020
export const APIC_VERSION = 0x030
export const APIC_TPR = 0x080
export const APIC_APR = 0x090
export const APIC_PPR = 0x0a0
export const APIC_EOI = 0x0b0
export const APIC_RRD = 0x0c0
export const APIC_LDR = 0x0d0
export const APIC_DFR = 0x0e0
export const APIC_SVR = 0x0f0
export const APIC_ISR = 0x100
export const APIC_TMR = 0x180
export const APIC_IRR = 0x200
export const APIC_ESR = 0x280
export const APIC_ICR_LOW = 0x300
export const APIC_ICR_HIGH = 0x310
export const APIC_LVT_TIMER = 0x320
export const APIC_LVT_THERMAL = 0x330
export const APIC_LVT_PERFORMANCE = 0x340
export const APIC_LVT_LINT0 = 0x350
export const APIC_LVT_LINT1 = 0x360
export const APIC_LVT_ERROR = 0x370
export const APIC_TIMER_INITIAL = 0x380
export const APIC_TIMER_CURRENT = 0x390
export const APIC_TIMER_DIVIDE = 0x3e0
/** x2APIC only. */
export const APIC_SELF_IPI = 0x3f0

/** Version 14h, highest LVT entry 5, EOI-broadcast suppression (11.4.8). */
export const APIC_VERSION_VALUE = 0x0105_0014

/** Spurious-interrupt vector register (11.9). */
export const SVR_ENABLE = 0x100
export const SVR_SUPPRESS_EOI_BROADCAST = 0x1000
export const SVR_WRITABLE = 0x13ff

/** Local vector table (11.5.1). */
export const LVT_DELIVERY_STATUS = 0x1000
export const LVT_REMOTE_IRR = 0x4000
export const LVT_LEVEL = 0x8000
export const LVT_MASKED = 0x1_0000
export const LVT_TIMER_MODE_SHIFT = 17
export const TIMER_ONE_SHOT = 0
export const TIMER_PERIODIC = 1
export const TIMER_TSC_DEADLINE = 2
/** LVT entries in the order of LVT_OFFSETS, and the bits software can write. */
export const LVT_OFFSETS: readonly number[] = [
  APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERFORMANCE, APIC_LVT_LINT0, APIC_LVT_LINT1, APIC_LVT_ERROR
]
export const LVT_WRITABLE: readonly number[] = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff]
export const LVT_TIMER_INDEX = 0
export const LVT_LINT0_INDEX = 3
export const LVT_LINT1_INDEX = 4
export const LVT_ERROR_INDEX = 5

/** Delivery modes (11.6.1, 11.5.1; ExtINT in LVT, I/O APIC and MSI only). */
export const DELIVERY_FIXED = 0
export const DELIVERY_LOWEST = 1
export const DELIVERY_SMI = 2
export const DELIVERY_NMI = 4
export const DELIVERY_INIT = 5
export const DELIVERY_STARTUP = 6
export const DELIVERY_EXTINT = 7

/** Interrupt command register (11.6.1). */
export const ICR_LOGICAL = 0x800
export const ICR_ASSERT = 0x4000
export const ICR_LEVEL = 0x8000
export const ICR_WRITABLE = 0xccfff
export const SHORTHAND_NONE = 0
export const SHORTHAND_SELF = 1
export const SHORTHAND_ALL = 2
export const SHORTHAND_OTHERS = 3

/** Error status register (11.5.3). */
export const ESR_SEND_ILLEGAL_VECTOR = 0x20
export const ESR_RECEIVE_ILLEGAL_VECTOR = 0x40
export const ESR_ILLEGAL_REGISTER = 0x80

/** Destination format register (11.6.2.2). */
export const DFR_FLAT = 0xffff_ffff
export const DFR_CLUSTER = 0x0fff_ffff

/** MSRs. */
export const MSR_IA32_APIC_BASE = 0x1b
export const MSR_IA32_TSC_DEADLINE = 0x6e0
export const MSR_X2APIC_FIRST = 0x800
export const MSR_X2APIC_LAST = 0x8ff
export const APIC_BASE_BSP = 0x100
export const APIC_BASE_X2APIC = 0x400
export const APIC_BASE_ENABLE = 0x800

/** A destination that means everyone, after widening the xAPIC's FFh. */
export const DESTINATION_ALL = 0xffff_ffff

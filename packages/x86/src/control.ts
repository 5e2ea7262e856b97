/** Control, debug and flag register bits. Intel SDM vol. 3A, 2.3, 2.5 and 2.6; vol. 3B, 18.2 (debug registers). */

// CR0
export const CR0_PE: number = 1 << 0
export const CR0_MP: number = 1 << 1
export const CR0_EM: number = 1 << 2
export const CR0_TS: number = 1 << 3
/** Always one. */
export const CR0_ET: number = 1 << 4
export const CR0_NE: number = 1 << 5
export const CR0_WP: number = 1 << 16
export const CR0_AM: number = 1 << 18
export const CR0_NW: number = 1 << 29
export const CR0_CD: number = 1 << 30
export const CR0_PG: number = 1 << 31

// CR4
export const CR4_VME: number = 1 << 0
export const CR4_PVI: number = 1 << 1
export const CR4_TSD: number = 1 << 2
export const CR4_DE: number = 1 << 3
export const CR4_PSE: number = 1 << 4
export const CR4_PAE: number = 1 << 5
export const CR4_MCE: number = 1 << 6
export const CR4_PGE: number = 1 << 7
export const CR4_PCE: number = 1 << 8
export const CR4_OSFXSR: number = 1 << 9
export const CR4_OSXMMEXCPT: number = 1 << 10
export const CR4_UMIP: number = 1 << 11
export const CR4_LA57: number = 1 << 12
export const CR4_VMXE: number = 1 << 13
export const CR4_FSGSBASE: number = 1 << 16
export const CR4_PCIDE: number = 1 << 17
export const CR4_OSXSAVE: number = 1 << 18
export const CR4_SMEP: number = 1 << 20
export const CR4_SMAP: number = 1 << 21
export const CR4_PKE: number = 1 << 22

// IA32_EFER
export const EFER_SCE: number = 1 << 0
export const EFER_LME: number = 1 << 8
export const EFER_LMA: number = 1 << 10
export const EFER_NXE: number = 1 << 11
export const EFER_SVME: number = 1 << 12
export const EFER_FFXSR: number = 1 << 14

// XCR0 (vol. 1, 13.3)
export const XCR0_X87: number = 1 << 0
export const XCR0_SSE: number = 1 << 1
export const XCR0_AVX: number = 1 << 2

// DR6 (vol. 3B, 18.2.3). Reserved bits read as DR6_FIXED.
export const DR6_BREAKPOINTS = 0xf
export const DR6_BD: number = 1 << 13
export const DR6_BS: number = 1 << 14
export const DR6_BT: number = 1 << 15
export const DR6_FIXED = 0xffff0ff0

// DR7 (18.2.4). Bit 10 reads as one.
/** L0, G0 .. L3, G3. */
export const DR7_ENABLES = 0xff
export const DR7_LOCAL = 0x55
export const DR7_LE: number = 1 << 8
export const DR7_FIXED = 0x400
export const DR7_GD: number = 1 << 13
/** Bits that software can write: enables, LE, GE, GD, R/W and LEN fields. */
export const DR7_WRITABLE = 0xffff23ff
/** R/W field of a breakpoint: what it breaks on. */
export const DR7_RW_EXECUTE = 0
export const DR7_RW_WRITE = 1
/** With CR4.DE. */
export const DR7_RW_IO = 2
export const DR7_RW_ACCESS = 3

/** Types of system descriptors (vol. 3A, table 3-2). */
export const TYPE_TSS16_AVAILABLE = 1
export const TYPE_LDT = 2
export const TYPE_TSS16_BUSY = 3
export const TYPE_CALL_GATE16 = 4
export const TYPE_TASK_GATE = 5
export const TYPE_INTERRUPT_GATE16 = 6
export const TYPE_TRAP_GATE16 = 7
export const TYPE_TSS_AVAILABLE = 9
export const TYPE_TSS_BUSY = 11
export const TYPE_CALL_GATE = 12
export const TYPE_INTERRUPT_GATE = 14
export const TYPE_TRAP_GATE = 15

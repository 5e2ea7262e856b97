/**
 * Processor state constants. Intel SDM vol. 3: control registers 2.5, EFER 2.2.1, segment descriptors 3.4.5, paging entries 5.5.
 */
export const CR0_PE = 0x1n
/** Extension type: hard-wired to 1 since the Pentium. */
export const CR0_ET = 0x10n
export const CR0_NW = 0x2000_0000n
export const CR0_CD = 0x4000_0000n
export const CR0_PG = 0x8000_0000n
export const CR4_PAE = 0x20n
export const EFER_LME = 0x100n
export const EFER_LMA = 0x400n
/** Bit 1 of RFLAGS always reads as one. */
export const RFLAGS_FIXED = 0x2n

export const PTE_PRESENT = 0x1n
export const PTE_WRITE = 0x2n
/** PS in a page-directory entry: a 2 MiB page. */
export const PDE_PAGE_SIZE = 0x80n

/** Segment attributes in the layout of interfaces' SegmentRegister: type, S, DPL, P, AVL, L, D/B, G. */
export const ATTRIBUTES_CODE64 = 0xa9b
export const ATTRIBUTES_CODE32 = 0xc9b
export const ATTRIBUTES_DATA32 = 0xc93
export const ATTRIBUTES_CODE16 = 0x09b
export const ATTRIBUTES_DATA16 = 0x093
export const ATTRIBUTES_TSS32_BUSY = 0x08b
export const ATTRIBUTES_LDT = 0x082

/** Selectors of the boot GDT: Linux's __BOOT_CS and __BOOT_DS (boot.rst, "32-bit Boot Protocol"). */
export const BOOT_CS = 0x10
export const BOOT_DS = 0x18
export const BOOT_TSS = 0x20

/**
 * Paging-structure entries and page-fault error codes. Intel SDM vol. 3A, edition of 2024, chapter 5 (chapter 4 in older
 * editions), tables 5-4..5-22. Bit masks are for the low 32 bits of an entry unless the name ends in `_HIGH`.
 */

/** Present. */
export const PG_P: number = 1 << 0
/** Writes allowed. */
export const PG_RW: number = 1 << 1
/** User-mode accesses allowed. */
export const PG_US: number = 1 << 2
/** Page-level write-through. */
export const PG_PWT: number = 1 << 3
/** Page-level cache disable. */
export const PG_PCD: number = 1 << 4
/** Accessed. */
export const PG_A: number = 1 << 5
/** Dirty (entries that map a page). */
export const PG_D: number = 1 << 6
/** Page size: the entry maps a page (PDE, PDPTE). */
export const PG_PS: number = 1 << 7
/** PAT bit of a 4 KiB PTE. */
export const PG_PAT: number = 1 << 7
/** Global (entries that map a page, with CR4.PGE). */
export const PG_G: number = 1 << 8
/** PAT bit of an entry that maps a 2 MiB, 4 MiB or 1 GiB page. */
export const PG_PAT_LARGE: number = 1 << 12
/** Execute-disable: bit 63. Reserved unless EFER.NXE. */
export const PG_XD_HIGH: number = 1 << 31

/** log2 of the page sizes. */
export const PAGE_SHIFT_4K = 12
export const PAGE_SHIFT_2M = 21
export const PAGE_SHIFT_4M = 22
export const PAGE_SHIFT_1G = 30

/** Page-fault error code (SDM vol. 3A, 5.7). The fault was caused by a page-level protection violation, not by a non-present page. */
export const PFEC_P: number = 1 << 0
/** The access was a write. */
export const PFEC_WR: number = 1 << 1
/** The access was a user-mode access. */
export const PFEC_US: number = 1 << 2
/** A reserved bit was set in a present entry. */
export const PFEC_RSVD: number = 1 << 3
/** The access was an instruction fetch (only with SMEP, or PAE paging structures and NXE). */
export const PFEC_ID: number = 1 << 4
/** Protection key. */
export const PFEC_PK: number = 1 << 5
/** Shadow stack access. */
export const PFEC_SS: number = 1 << 6

/** Reserved low bits of a PAE PDPTE register: 2:1 and 8:5 (table 5-8). */
export const PDPTE_PAE_RESERVED_LOW: number = 0x1e6
/** Reserved low bits of a PDE that maps a 2 MiB page: 20:13 (tables 5-9, 5-18). */
export const PDE_2M_RESERVED_LOW: number = 0x001fe000
/** Reserved low bits of a PDPTE that maps a 1 GiB page: 29:13 (table 5-16). */
export const PDPTE_1G_RESERVED_LOW: number = 0x3fffe000

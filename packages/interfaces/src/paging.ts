/**
 * Page walking as a software CPU needs it. 64-bit quantities travel as unsigned low/high 32-bit halves; results are left in
 * fields so that a walk allocates nothing. One instance serves one vCPU.
 */
export const ACCESS_WRITE = 1
export const ACCESS_FETCH = 2
/** The access is made with user privilege (CPL 3, not an implicit supervisor access). */
export const ACCESS_USER = 4
/** EFLAGS.AC is set and the access is explicit: SMAP does not apply. */
export const ACCESS_AC = 8
/** Only look (debugger, snapshot): no accessed/dirty update, no frame allocated. */
export const ACCESS_PROBE = 16

export const RIGHT_READ = 1
export const RIGHT_WRITE = 2
export const RIGHT_EXECUTE = 4

/** Control registers that select and shape the paging mode (Intel SDM vol. 3, 5.1.1). CR3, CR4 and EFER bits beyond 32 are ignored except CR3's. */
export interface PagingControl {
  cr0: number
  cr3Low: number
  cr3High: number
  cr4: number
  efer: number
  /** Physical address width announced by CPUID 80000008h (bits); higher address bits in entries are reserved. */
  physicalAddressBits: number
}

export interface PageWalker {
  /** Takes new control registers. The caller flushes its own TLB. In PAE mode loads the four PDPTEs; false when they have reserved bits set (#GP). */
  configure(control: PagingControl): boolean
  /**
   * Translates one linear address for `access` (ACCESS_* bits). Returns -1 on success, else the page-fault error code
   * (P, W/R, U/S, RSVD, I/D; Intel SDM vol. 3, 5.7). Sets accessed (and for writes dirty) bits atomically.
   * Canonicality is the caller's business.
   */
  walk(linearLow: number, linearHigh: number, access: number): number
  /** Results of the last successful walk. Guest physical address of the byte. */
  readonly physicalLow: number
  readonly physicalHigh: number
  /**
   * RIGHT_* bits valid for further accesses to this page with the same privilege and AC without another walk.
   * RIGHT_WRITE only when the leaf is dirty already.
   */
  readonly rights: number
  /** 1 when the translation is global (CR4.PGE and G). */
  readonly global: number
  /** log2 of the page size: 12, 21, 22 or 30; 12 with paging off. */
  readonly pageShift: number
  /** Machine address of the page's 4 KiB frame, -1 when it is MMIO; with ACCESS_WRITE, -2 for ROM. */
  readonly frame: number
}

/**
 * Linear addresses [linear, linear + bytes) that are the machine bytes [machine, machine + bytes), in order: the address space of a program in user
 * mode in one piece. All three are multiples of 4096; the window ends at or below linear address 2^32. Nothing in it belongs to anyone but the guest,
 * the edges included.
 */
export interface FlatWindow {
  readonly linear: number
  readonly machine: number
  readonly bytes: number
}

/** Bytes at either end of a FlatWindow that a program is not meant to use: accesses there are slow, or go unnoticed where they are near others. */
export const FLAT_EDGE_BYTES = 8192

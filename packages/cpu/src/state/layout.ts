/**
 * Byte layout of one vCPU's state block in machine memory. Generated WebAssembly addresses it as `cpu + offset`, TypeScript
 * through `CpuState`. Nothing here is architectural except what the fields hold.
 */

/** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15, 8 bytes each. */
export const REGS = 0x000
/** Eight zero bytes: the cell an absent base, index or segment points at. */
export const ZERO = 0x080
/** Instruction pointer (an offset in CS). Current only outside generated code or when it transfers control through memory. */
export const RIP = 0x088
/** Last arithmetic result, sign-extended to 64 bits: ZF, SF and PF derive from it. See emit/flags.ts. */
export const FLAGS_RESULT = 0x090
/** CF (bit 0), AF (bit 4), OF (bit 11) as in EFLAGS; bit 7 inverts SF; bits 16..23 are xored into the low result byte for PF. */
export const FLAGS_AUX = 0x098
/** EFLAGS without CF, PF, AF, ZF, SF, OF; bit 1 set. */
export const EFLAGS = 0x09c
/** RIP of offset 0 of the current code page: (linear page address) - CS.base. */
export const PAGE_RIP = 0x0a0
/** Linear address of the current code page. -1: none, look up. */
export const PAGE_LINEAR = 0x0a8
/** Machine pointer to the current code page's record table. */
export const PAGE_TABLE = 0x0b0
/** Instructions left in this slice; control transfers count down and leave below zero. */
export const FUEL = 0x0b4
/** Machine pointer to the TLB set of the current privilege. */
export const TLB_BASE = 0x0b8
/** Code mode: bits of `CodeMode`, part of a fetch tag's low bits. */
export const CODE_MODE = 0x0bc
export const CPL = 0x0c0
/** Nonzero: an interrupt source has something for this vCPU. */
export const INTERRUPT_PENDING = 0x0c4
/** Record at which generated code stopped. */
export const CURRENT_RECORD = 0x0c8
/** Which register files instructions may use now: UNIT_* bits, from CR0, CR4 and XCR0. */
export const UNITS = 0x0cc
export const UNIT_X87 = 1
export const UNIT_MMX = 2
export const UNIT_SSE = 4
export const UNIT_AVX = 8
/** Stack-pointer mask: 0xffff, 0xffffffff or all ones (SS.B, long mode). */
export const STACK_MASK = 0x0d0
/** Mask of instruction pointers: 0xffff, 0xffffffff or all ones. Near branches with 16-bit operand size mask further. */
export const RIP_MASK = 0x0d8

/** 16, or 7 with 57-bit linear addresses: shifting left and back must not change a canonical address (i64). */
export const CANONICAL_SHIFT = 0x0e0
/** Address-size masks indexed by ADDRESS_64, ADDRESS_32, ADDRESS_16: all ones, 0xffffffff, 0xffff (i64 each). */
export const ADDRESS_MASKS = 0x0e8

/** Pending arithmetic flags while translated code runs: how FLAGS_RESULT and FLAGS_B give them (translator/lazy-flags.ts), and the second operand (i64). */
export const FLAGS_KIND = 0x3e0
export const FLAGS_B = 0x3e8

/** Segment registers, SEGMENT_SIZE each, in x86 encoding order, then LDTR and TR. */
export const SEGMENTS = 0x100
export const SEGMENT_SIZE = 0x20
export const SEG_ES = 0
export const SEG_CS = 1
export const SEG_SS = 2
export const SEG_DS = 3
export const SEG_FS = 4
export const SEG_GS = 5
export const SEG_LDTR = 6
export const SEG_TR = 7
/** Within a segment: base (u64), effective limit (u32), selector (u16 in u32), attributes (u16 in u32, SVM VMCB layout). */
export const SEG_BASE = 0x00
export const SEG_LIMIT = 0x08
export const SEG_SELECTOR = 0x0c
export const SEG_ATTRIBUTES = 0x10
/** Derived: first and last valid offset (u32, inclusive) and permissions (1 read, 2 write; 0 unusable; SEG_FLAT). */
export const SEG_FIRST = 0x14
export const SEG_LAST = 0x18
export const SEG_PERMISSIONS = 0x1c
/** Base 0, limit 4 GiB, readable and writable: in 32-bit code an offset is the linear address, checked only where it leaves 4 GiB. */
export const SEG_FLAT = 4
export const segment = (index: number): number => SEGMENTS + index * SEGMENT_SIZE

export const GDTR_BASE = 0x200
export const GDTR_LIMIT = 0x208
export const IDTR_BASE = 0x210
export const IDTR_LIMIT = 0x218
export const CR0 = 0x220
export const CR2 = 0x228
export const CR3 = 0x230
export const CR4 = 0x238
export const CR8 = 0x240
export const EFER = 0x248
/** DR0..DR7, 8 bytes each. */
export const DR = 0x250
export const STAR = 0x290
export const LSTAR = 0x298
export const CSTAR = 0x2a0
export const SFMASK = 0x2a8
export const KERNEL_GS_BASE = 0x2b0
export const SYSENTER_CS = 0x2b8
export const SYSENTER_ESP = 0x2c0
export const SYSENTER_EIP = 0x2c8
export const TSC_AUX = 0x2d0
export const XCR0 = 0x2d8
/**
 * All ones while another thread wants this vCPU, else 0 (i32): generated code leaves at the next control transfer when (FUEL | KICK) < 0.
 * The other thread sets it with Atomics.store and Atomics.notify; a halted vCPU may wait on it. Cleared by `run`.
 */
export const KICK = 0x2e0

/** How often regions came back to `enter`, by EXIT_* (u64 each). */
export const REGION_EXITS = 0x300
/** Control went where no region is. */
export const EXIT_TRANSFER = 0
/** An instruction that the interpreter had to carry out. */
export const EXIT_BAILED = 1
/** The slice or another thread's kick ended it at a transfer. */
export const EXIT_SLICE = 2

/** RIP of the instruction that STI holds interrupts off for; all ones: none. */
export const INTERRUPT_SHADOW = 0x2e8

/** YMM0..YMM15, 32 bytes each; XMM is the low half. */
export const YMM = 0x400
export const MXCSR = 0x600
/** x87: control word, status word without TOP (TOP field is FPU_TOP), tag bits (bit i set: physical register i is empty). */
export const FPU_CONTROL = 0x604
export const FPU_STATUS = 0x608
export const FPU_TOP = 0x60c
export const FPU_EMPTY = 0x610
/** Last x87 opcode, instruction and data pointers (FOP, FIP/FCS, FDP/FDS). */
export const FPU_OPCODE = 0x614
export const FPU_IP = 0x618
export const FPU_DP = 0x620
export const FPU_CS = 0x628
export const FPU_DS = 0x62c
/** Physical x87 registers R0..R7, 16 bytes each: significand (u64, aliased by MMX) then sign and exponent (u16). */
export const FPU_REGISTERS = 0x640

/** 128 bytes where accesses that do not go to one page of RAM are staged. */
export const SCRATCH = 0x700
/** Nonzero while SCRATCH holds a store that `commit` must carry out. */
export const SCRATCH_PENDING = 0x780
/** Parameters of the staged access: linear address (u64), size. */
export const SCRATCH_LINEAR = 0x788
export const SCRATCH_SIZE = 0x790
/** Effective address results of helper calls, and other 64-bit values to and from host functions. */
export const HOST_VALUE = 0x798
export const HOST_VALUE2 = 0x7a0

/** Two records for single stepping and for instructions that cross a page, not entered in any table. */
export const STEP_RECORDS = 0x800
/** A record of zeros: PSEUDO_CONTINUE at offset 0 of PAGE_RIP. */
export const ENTRY_RECORD = 0x840
/** Rare system registers up to STATE_BYTES: see system/msr-state.ts. */
export const SYSTEM = 0x900
/** Where FXSAVE, XSAVE and their kin work on areas they cannot reach in place. */
export const AREA = 0xc00
export const STATE_BYTES = 0x1000

/**
 * Where control transfers of translated code went: direct-mapped by RIP. An entry holds for its RIP, TLB_BASE and CODE_MODE (one i64) and
 * CHAIN_GENERATION, which changes when a translation of addresses or a region goes: one for each half of the address space (u32, lower
 * half first), as page tables are switched under a kernel that stays.
 */
export const CHAIN = 0x90000
export const CHAIN_ENTRIES = 2048
export const CHAIN_ENTRY_BYTES = 32
export const CHAIN_RIP = 0
export const CHAIN_CONTEXT = 8
export const CHAIN_GENERATION_SEEN = 16
export const CHAIN_SLOT = 20
export const CHAIN_REGION_ENTRY = 24
export const CHAIN_GENERATION = 0x3f0
/** Bytes that are nonzero where regions of a page, by its number modulo their count, are remembered: INVLPG of others changes nothing. */
export const CHAIN_PAGES = 0x1000
export const CHAIN_PAGE_COUNT = 0x400

/** Countdowns to translation (u16) by record address: see translator/translator.ts. */
export const HEAT = 0x2000
export const HEAT_COUNTERS = 0x4000
/** Size of the table of regions. */
export const REGION_SLOTS = 0x6000

/**
 * TLB: four sets of 4096 entries, 32 bytes each: read, write, fetch tags (u64: linear page | low bits), addend
 * (machine page - low 32 bits of linear page), record table of the page's code.
 * A read or write tag is the page address itself; a fetch tag has CODE_MODE in its low bits; all ones is invalid.
 */
export const TLB = 0x10000
export const TLB_ENTRIES = 4096
export const TLB_ENTRY_BYTES = 32
/** Offset of an entry in its set, changed in this bit: the second place of a page. */
export const TLB_SECOND = 0x10000
export const TLB_READ = 0
export const TLB_WRITE = 8
export const TLB_FETCH = 16
export const TLB_ADDEND = 24
export const TLB_CODE = 28
export const TLB_SET_BYTES: number = TLB_ENTRIES * TLB_ENTRY_BYTES
export const TLB_SUPERVISOR = 0
export const TLB_SUPERVISOR_AC = 1
export const TLB_USER = 2
/** CPL 3 with alignment checks: data tags are never set, so that every access takes the slow path. */
export const TLB_USER_ALIGNED = 3
export const TLB_SETS = 4
export const BLOCK_BYTES: number = CHAIN + CHAIN_ENTRIES * CHAIN_ENTRY_BYTES

/** Arithmetic flags kept in FLAGS_RESULT and FLAGS_AUX. */
export const FLAG_CF = 0x1
export const FLAG_PF = 0x4
export const FLAG_AF = 0x10
export const FLAG_ZF = 0x40
export const FLAG_SF = 0x80
export const FLAG_TF = 0x100
export const FLAG_IF = 0x200
export const FLAG_DF = 0x400
export const FLAG_OF = 0x800
export const FLAG_IOPL = 0x3000
export const FLAG_NT = 0x4000
export const FLAG_RF = 0x10000
export const FLAG_VM = 0x20000
export const FLAG_AC = 0x40000
export const FLAG_VIF = 0x80000
export const FLAG_VIP = 0x100000
export const FLAG_ID = 0x200000
export const FLAGS_ARITHMETIC = 0x8d5

/** CODE_MODE: default operand/address size in bits 0..1, then MODE_FLAT. */
export const MODE_16 = 0
export const MODE_32 = 1
export const MODE_64 = 2
export const MODE_SIZE = 3
/** With MODE_32: CS, SS, DS and ES are flat and the stack is a 32-bit one, so that an offset is the linear address. */
export const MODE_FLAT = 4

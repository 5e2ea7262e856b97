/**
 * A pre-decoded instruction: RECORD_BYTES in machine memory, written by the decoder, read by the interpreter's handlers.
 * Register fields hold offsets into the state block, so records are valid for any vCPU with the same code.
 */
export const RECORD_BYTES = 32
/** Handler number (u16). */
export const R_HANDLER = 0
/** Instruction length in bytes (u8). */
export const R_LENGTH = 2
/** How the effective address is formed (u8): 0 is base + index + disp + segment base in 64 bits; else see ADDRESS_*. */
export const R_ADDRESS = 3
/** Register cells by their place in the encoding (u16 state offsets): ModRM.rm or opcode register, ModRM.reg, VEX.vvvv. */
export const R_RM = 4
export const R_REG = 6
export const R_VVVV = 8
export const R_BASE = 10
export const R_INDEX = 12
/** Segment whose base applies: offset of its base cell, ZERO where 64-bit mode ignores it (u16). */
export const R_SEGMENT = 14
/** Offset of the instruction in its code page (u16). */
export const R_OFFSET = 16
/** RECORD_* bits (u8). */
export const R_FLAGS = 18
export const R_SCALE = 19
/** RECORD_LINKS, PSEUDO_CONTINUE: the record to go on at (0: not known yet), in place of a displacement. */
export const R_LINK = 20
/** Displacement (i32); RIP-relative ones count from the page's start. */
export const R_DISPLACEMENT = 20
/** Immediate sign-extended (i64); relative branches: target minus RIP of the page's start; moffs: the offset. */
export const R_IMMEDIATE = 24

/** A record that became a translated region (PSEUDO_REGION): number of the entry, slot in the table of regions, a copy of what it was. */
export const R_REGION_ENTRY = 20
export const R_REGION_SLOT = 24
export const R_REGION_ORIGINAL = 28

/** How a region was left, RIP in the state block: at a control transfer / before an instruction that the interpreter must carry out. */
export const REGION_LEFT = 0
export const REGION_BAILED = 1

export const ADDRESS_64 = 0
/** Effective address truncated to 32 / 16 bits. */
export const ADDRESS_32 = 1
export const ADDRESS_16 = 2
/** Segment limit and rights are checked, linear address truncated to 32 bits: every mode but 64-bit. */
export const ADDRESS_CHECKED = 4
/** The displacement is the 64-bit immediate (moffs). */
export const ADDRESS_MOFFS = 8
/** 64-bit addressing without truncation, by the general routine. */
export const ADDRESS_GENERAL = 16

/** Not in 64-bit mode: stack and branches use masks, limits. */
export const RECORD_LEGACY = 1
/** The memory operand is in the stack segment: its faults are #SS. */
export const RECORD_STACK = 2
export const RECORD_LOCK = 4
/** A relative branch into its own page, whose R_LINK the first time it is taken fills in. */
export const RECORD_LINKS = 8
/** It goes back or is a call: the slice may end there, and arrivals count. */
export const RECORD_COUNTED = 16

/** Statuses an out-of-line handler returns to the dispatcher. */
export const STATUS_NEXT = 0
/** Leave generated code; RIP is that of the record. */
export const STATUS_FAULT = 1
/** Continue at the RIP in the state block. */
export const STATUS_JUMP = 2
/** Execute the record again unless the slice is over (string instructions). */
export const STATUS_REPEAT = 3
/** Continue with STEP_RECORDS. */
export const STATUS_STEP = 4
/** Leave generated code; RIP is in the state block. The instruction counts. */
export const STATUS_LEAVE = 5

/** `run` returned: RIP is in the state block / is the current record's. */
export const LEFT_AT_RIP = 0
export const LEFT_AT_RECORD = 1

/** Access word given to `slow`: size in bytes, then these. */
export const SLOW_WRITE = 0x100
export const SLOW_STACK = 0x200
/** The store follows a load of the same bytes: a staged access must read first. */
export const SLOW_MODIFY = 0x400
/** The store is the first of several that may go on, upwards, to the end of the page without asking again (REP STOS). */
export const SLOW_BLOCK = 0x800
export const SLOW_SIZE = 0xff

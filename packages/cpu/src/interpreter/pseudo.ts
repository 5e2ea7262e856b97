/** Handlers that stand for no instruction. */
export const PSEUDO_CONTINUE = 0
/** Leaves at this record's RIP: ends a single step. */
export const PSEUDO_EXIT = 1
/** An instruction that crosses into the next page: fetched anew each time by the host function `cross-page`. */
export const PSEUDO_CROSS = 2
/** Raises #UD. */
export const PSEUDO_UNDEFINED = 3
/** Fetch beyond CS.limit or an instruction over 15 bytes: #GP(0). */
export const PSEUDO_GENERAL_PROTECTION = 4
/** Hands the instruction to the monitor. */
export const PSEUDO_INTERCEPT = 5
/** A translated region begins here: see translator/. */
export const PSEUDO_REGION = 6
export const PSEUDO_COUNT = 7

/** System control port A, 0x92 (IBM PS/2 Hardware Interface Technical Reference; Intel ICH9 datasheet 13.7.4 "PORT92"). */
export const PORT_92 = 0x92
/** INIT_NOW: a 0 to 1 transition resets the processor. */
export const INIT_NOW = 0x01
/** ALT_A20_GATE: 1 drives A20M# inactive, so that address bit 20 passes. */
export const ALT_A20_GATE = 0x02
export const WRITABLE = 0x03

/** NMI status and control register, port 61h (PIIX3 datasheet 290550, 2.5.5.1). */
export const SPEAKER_PORT = 0x61
export const SPEAKER_GATE = 0x01
export const SPEAKER_DATA = 0x02
/** Gate, data, PERR# and IOCHK# NMI enables: what software can write. */
export const SPEAKER_WRITABLE = 0x0f
export const SPEAKER_REFRESH = 0x10
export const SPEAKER_OUT2 = 0x20
/** The refresh request toggles every 15.085 microseconds. */
export const REFRESH_NANOSECONDS = 15_085

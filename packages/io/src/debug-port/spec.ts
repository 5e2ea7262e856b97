/** The Bochs/QEMU "debugcon" port: firmware writes characters to it and reads this value back to see that it is there. */
export const PORT_E9 = 0xe9
export const READBACK = 0xe9

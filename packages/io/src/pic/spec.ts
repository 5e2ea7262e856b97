/** Intel 8259A datasheet (231468). Initialization and operation command words, figures 7 and 8. */
export const PIC_MASTER_PORT = 0x20
export const PIC_SLAVE_PORT = 0xa0
/** Edge/level control registers of the PIIX3 (290550, 2.5.4.9): one bit per IRQ, 1 is level. */
export const ELCR_PORT = 0x4d0
/** IRQs 0, 1, 2, 8 and 13 are always edge triggered. */
export const ELCR_MASTER_WRITABLE = 0xf8
export const ELCR_SLAVE_WRITABLE = 0xde

export const ICW1 = 0x10
export const ICW1_IC4 = 0x01
export const ICW1_SNGL = 0x02
export const ICW4_AEOI = 0x02
export const ICW4_SFNM = 0x10
export const OCW3 = 0x08
export const OCW3_READ_REGISTER = 0x02
export const OCW3_READ_ISR = 0x01
export const OCW3_POLL = 0x04
export const OCW3_ENABLE_SPECIAL_MASK = 0x40
export const OCW3_SPECIAL_MASK = 0x20
/** OCW2 bits 7..5: R, SL, EOI. */
export const OCW2_CLEAR_ROTATE_AEOI = 0
export const OCW2_EOI = 1
export const OCW2_SPECIFIC_EOI = 3
export const OCW2_SET_ROTATE_AEOI = 4
export const OCW2_ROTATE_EOI = 5
export const OCW2_SET_PRIORITY = 6
export const OCW2_ROTATE_SPECIFIC_EOI = 7
/** The answer to an interrupt acknowledge with nothing requested. */
export const PIC_SPURIOUS = 7
/** Master input the slave is wired to. */
export const PIC_CASCADE = 2
export const POLL_INTERRUPT = 0x80

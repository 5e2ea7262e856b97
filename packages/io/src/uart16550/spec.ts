/** National Semiconductor PC16550D datasheet (June 1995), section 8 "Registers", table II. */

/** Register offsets; RBR/THR and IER become the divisor latch while LCR.DLAB is set (8.0). */
export const RBR = 0
export const THR = 0
export const DLL = 0
export const IER = 1
export const DLM = 1
export const IIR = 2
export const FCR = 2
export const LCR = 3
export const MCR = 4
export const LSR = 5
export const MSR = 6
export const SCR = 7
export const REGISTER_COUNT = 8

/** 8.8 Interrupt Enable Register. */
export const IER_ERBFI = 0x01
export const IER_ETBEI = 0x02
export const IER_ELSI = 0x04
export const IER_EDSSI = 0x08
export const IER_MASK = 0x0f

/** 8.7 Interrupt Identification Register, table V; in order of priority. */
export const IIR_NONE = 0x01
export const IIR_LINE_STATUS = 0x06
export const IIR_DATA_AVAILABLE = 0x04
export const IIR_CHARACTER_TIMEOUT = 0x0c
export const IIR_THR_EMPTY = 0x02
export const IIR_MODEM_STATUS = 0x00
export const IIR_FIFOS_ENABLED = 0xc0

/** 8.6 FIFO Control Register. */
export const FCR_ENABLE = 0x01
export const FCR_CLEAR_RECEIVE = 0x02
export const FCR_CLEAR_TRANSMIT = 0x04
/** Receiver trigger level by FCR bits 7..6, in bytes. */
export const FCR_TRIGGER_LEVELS: readonly number[] = [1, 4, 8, 14]
export const FIFO_SIZE = 16

/** 8.1 Line Control Register. */
export const LCR_WORD_LENGTH = 0x03
export const LCR_STOP_BITS = 0x04
export const LCR_PARITY_ENABLE = 0x08
export const LCR_DLAB = 0x80

/** 8.9 Modem Control Register. */
export const MCR_DTR = 0x01
export const MCR_RTS = 0x02
export const MCR_OUT1 = 0x04
/** On the PC, OUT2 drives the buffer between INTR and the bus's IRQ wire. */
export const MCR_OUT2 = 0x08
export const MCR_LOOP = 0x10
export const MCR_MASK = 0x1f

/** 8.5 Line Status Register. */
export const LSR_DR = 0x01
export const LSR_OE = 0x02
export const LSR_PE = 0x04
export const LSR_FE = 0x08
export const LSR_BI = 0x10
export const LSR_ERRORS = 0x1e
export const LSR_THRE = 0x20
export const LSR_TEMT = 0x40

/** 8.10 Modem Status Register. */
export const MSR_DCTS = 0x01
export const MSR_DDSR = 0x02
export const MSR_TERI = 0x04
export const MSR_DDCD = 0x08
export const MSR_CTS = 0x10
export const MSR_DSR = 0x20
export const MSR_RI = 0x40
export const MSR_DCD = 0x80

/** 8.3: XIN of the PC's serial ports in Hz; baud = XIN / (16 × divisor). */
export const INPUT_CLOCK = 1_843_200
/** 8.6: the timeout interrupt comes after this many character times without a FIFO access. */
export const TIMEOUT_CHARACTERS = 4

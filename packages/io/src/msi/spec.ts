/** Intel SDM vol. 3, 11.11 "Message Signalled Interrupts". */
/** Address bits 31..20 of every message; bits 19..12 are the destination ID. */
export const MSI_ADDRESS_BASE = 0xfee0_0000
export const MSI_ADDRESS_MASK = 0xfff0_0000
export const MSI_DESTINATION_SHIFT = 12
/** Redirection hint: with it set, bit 2 chooses physical (0) or logical (1) destinations. */
export const MSI_REDIRECTION_HINT = 0x8
export const MSI_DESTINATION_LOGICAL = 0x4
/** Data register (figure 11-25). */
export const MSI_VECTOR_MASK = 0xff
export const MSI_DELIVERY_SHIFT = 8
export const MSI_LEVEL_ASSERT = 0x4000
export const MSI_TRIGGER_LEVEL = 0x8000

/** Intel 82093AA I/O APIC datasheet (290566), section 3; EOI register of version 20h from the ICH datasheets (ICH9 316972, 13.5). */
export const IOAPIC_DEFAULT_BASE = 0xfec0_0000
export const IOAPIC_WINDOW = 0x1000
export const IOAPIC_PINS = 24
export const IOREGSEL = 0x00
export const IOWIN = 0x10
export const IOAPIC_EOI = 0x40

export const IOAPICID = 0x00
export const IOAPICVER = 0x01
export const IOAPICARB = 0x02
export const IOREDTBL = 0x10
export const IOAPIC_VERSION = 0x20

/** Redirection entry, low half (3.2.4). */
export const REDIR_DELIVERY_SHIFT = 8
export const REDIR_LOGICAL = 0x800
export const REDIR_DELIVERY_STATUS = 0x1000
export const REDIR_REMOTE_IRR = 0x4000
export const REDIR_LEVEL = 0x8000
export const REDIR_MASKED = 0x1_0000
/** Vector, delivery and destination mode, polarity, trigger mode, mask. */
export const REDIR_WRITABLE = 0x1_afff
/** Destination field, high half. */
export const REDIR_DESTINATION = 0xff00_0000

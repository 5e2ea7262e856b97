/** PCI Local Bus Specification 3.0 (section numbers below), PCI Express Base 3.0 where it says so. */

/** Type 0 configuration header (6.1, figure 6-1). */
export const PCI_VENDOR_ID = 0x00
export const PCI_DEVICE_ID = 0x02
export const PCI_COMMAND = 0x04
export const PCI_STATUS = 0x06
export const PCI_REVISION_ID = 0x08
export const PCI_CLASS_CODE = 0x09
export const PCI_CACHE_LINE_SIZE = 0x0c
export const PCI_LATENCY_TIMER = 0x0d
export const PCI_HEADER_TYPE = 0x0e
export const PCI_BAR0 = 0x10
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c
export const PCI_SUBSYSTEM_ID = 0x2e
export const PCI_EXPANSION_ROM = 0x30
export const PCI_CAPABILITIES = 0x34
export const PCI_INTERRUPT_LINE = 0x3c
export const PCI_INTERRUPT_PIN = 0x3d
/** First byte behind the header. */
export const PCI_HEADER_END = 0x40
export const PCI_CONFIG_SIZE = 0x100
/** PCI Express Base 3.0, 7.2.2: extended configuration space per function. */
export const PCIE_CONFIG_SIZE = 0x1000

/** Command register (6.2.2). */
export const COMMAND_IO = 0x0001
export const COMMAND_MEMORY = 0x0002
export const COMMAND_BUS_MASTER = 0x0004
export const COMMAND_PARITY = 0x0040
export const COMMAND_SERR = 0x0100
export const COMMAND_INTX_DISABLE = 0x0400
/** Bits a function here implements. */
export const COMMAND_WRITABLE: number = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_PARITY | COMMAND_SERR | COMMAND_INTX_DISABLE

/** Status register (6.2.3). */
export const STATUS_INTERRUPT = 0x0008
export const STATUS_CAPABILITIES = 0x0010
/** Error bits, write one to clear. */
export const STATUS_RW1C = 0xf900

export const HEADER_MULTIFUNCTION = 0x80

/** Base address registers (6.2.5.1). */
export const BAR_IO = 0x1
export const BAR_MEMORY_64 = 0x4
export const BAR_PREFETCHABLE = 0x8
export const BAR_IO_FLAGS = 0x3
export const BAR_MEMORY_FLAGS = 0xf
/** Expansion ROM enable (6.2.5.2). */
export const ROM_ENABLE = 0x1
/** The expansion ROM's index among the BARs of a function here. */
export const ROM_BAR = 6

/** Configuration mechanism 1 (3.2.2.3.2): ports 0xCF8 and 0xCFC. */
export const CONFIG_ADDRESS_PORT = 0xcf8
export const CONFIG_ENABLE = 0x8000_0000
/** Bit 31, bus, device, function and register number; the rest reads as zero. */
export const CONFIG_ADDRESS_MASK = 0x80ff_fffc

/** ECAM (PCI Express Base 3.0, 7.2.2): 1 MiB of configuration space per bus. */
export const ECAM_BUS_SHIFT = 20
export const ECAM_FUNCTION_SHIFT = 12

/** Capability IDs (Appendix H). */
export const CAPABILITY_MSI = 0x05
export const CAPABILITY_MSIX = 0x11

/** MSI message control (6.8.1.3). */
export const MSI_ENABLE = 0x0001
export const MSI_MULTIPLE_MESSAGE_ENABLE = 0x0070
export const MSI_64BIT = 0x0080
export const MSI_PER_VECTOR_MASKING = 0x0100

/** MSI-X message control and table (6.8.2). */
export const MSIX_ENABLE = 0x8000
export const MSIX_FUNCTION_MASK = 0x4000
export const MSIX_ENTRY_SIZE = 16
export const MSIX_VECTOR_MASKED = 1

export const SLOTS_PER_BUS = 32
export const FUNCTIONS_PER_SLOT = 8
/** PIRQA..PIRQD. */
export const PIRQ_COUNT = 4

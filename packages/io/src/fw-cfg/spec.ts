/** QEMU "Firmware Configuration (fw_cfg) Device", docs/specs/fw_cfg. */

/** I/O port layout: selector (16-bit, little-endian) at 0, data (8-bit) at 1, DMA address (64-bit, big-endian) at 4. Mapped at 0x510. */
export const IO_BASE = 0x510
export const IO_SELECTOR = 0
export const IO_DATA = 1
export const IO_DMA = 4
export const IO_LENGTH = 12
/** MMIO layout: data (up to 64-bit) at 0, selector (16-bit, big-endian) at 8, DMA address at 16. */
export const MMIO_DATA = 0
export const MMIO_SELECTOR = 8
export const MMIO_DMA = 16
export const MMIO_LENGTH = 24

/** Well-known keys. */
export const FW_CFG_SIGNATURE = 0x00
export const FW_CFG_ID = 0x01
export const FW_CFG_UUID = 0x02
export const FW_CFG_RAM_SIZE = 0x03
export const FW_CFG_NOGRAPHIC = 0x04
export const FW_CFG_NB_CPUS = 0x05
export const FW_CFG_KERNEL_ADDR = 0x07
export const FW_CFG_KERNEL_SIZE = 0x08
export const FW_CFG_INITRD_ADDR = 0x0a
export const FW_CFG_INITRD_SIZE = 0x0b
export const FW_CFG_BOOT_DEVICE = 0x0c
export const FW_CFG_NUMA = 0x0d
export const FW_CFG_BOOT_MENU = 0x0e
export const FW_CFG_MAX_CPUS = 0x0f
export const FW_CFG_KERNEL_ENTRY = 0x10
export const FW_CFG_KERNEL_DATA = 0x11
export const FW_CFG_INITRD_DATA = 0x12
export const FW_CFG_CMDLINE_ADDR = 0x13
export const FW_CFG_CMDLINE_SIZE = 0x14
export const FW_CFG_CMDLINE_DATA = 0x15
export const FW_CFG_SETUP_ADDR = 0x16
export const FW_CFG_SETUP_SIZE = 0x17
export const FW_CFG_SETUP_DATA = 0x18
export const FW_CFG_FILE_DIR = 0x19
export const FW_CFG_FILE_FIRST = 0x20
/** Bit 14 asked for the write interface in old versions and is ignored; bit 15 marks architecture-specific keys. */
export const KEY_MASK = 0xbfff
/** x86's own keys. */
export const FW_CFG_ACPI_TABLES = 0x8000
export const FW_CFG_SMBIOS_ENTRIES = 0x8001
export const FW_CFG_IRQ0_OVERRIDE = 0x8002
export const FW_CFG_HPET = 0x8004

export const SIGNATURE = 'QEMU'
/** FW_CFG_ID bits: the traditional interface, and DMA. */
export const ID_TRADITIONAL = 0x01
export const ID_DMA = 0x02
/** Reading the DMA address register gives "QEMU CFG". */
export const DMA_SIGNATURE = 'QEMU CFG'

/** FWCfgDmaAccess: control, length (32-bit), address (64-bit), all big-endian. */
export const DMA_ACCESS_SIZE = 16
export const DMA_ERROR = 0x01
export const DMA_READ = 0x02
export const DMA_SKIP = 0x04
export const DMA_SELECT = 0x08
export const DMA_WRITE = 0x10

/** FWCfgFile: size (32-bit), select (16-bit), reserved (16-bit), name (56 bytes with its NUL); big-endian. */
export const FILE_ENTRY_SIZE = 64
export const FILE_NAME_MAX = 55
export const FILE_SLOTS = 0x100

/** Types of e820 entries in the file etc/e820: address (64-bit), length (64-bit), type (32-bit), little-endian. */
export const E820_ENTRY_SIZE = 20

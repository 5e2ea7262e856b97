/**
 * The Linux/x86 boot protocol: Documentation/arch/x86/boot.rst ("The Real-Mode Kernel Header", "Details of Header Fields") and
 * zero-page.rst. Offsets are the same in the image's first sectors and in struct boot_params ("the zero page").
 */
export const SETUP_SECTS = 0x1f1
export const SYSSIZE = 0x1f4
export const VID_MODE = 0x1fa
export const BOOT_FLAG = 0x1fe
/** Second byte of the jump instruction: the header ends this many bytes after 0x202. */
export const JUMP_OFFSET = 0x201
export const HEADER = 0x202
export const VERSION = 0x206
export const KERNEL_VERSION = 0x20e
export const TYPE_OF_LOADER = 0x210
export const LOADFLAGS = 0x211
export const CODE32_START = 0x214
export const RAMDISK_IMAGE = 0x218
export const RAMDISK_SIZE = 0x21c
export const CMD_LINE_PTR = 0x228
export const INITRD_ADDR_MAX = 0x22c
export const KERNEL_ALIGNMENT = 0x230
export const RELOCATABLE_KERNEL = 0x234
export const MIN_ALIGNMENT = 0x235
export const XLOADFLAGS = 0x236
export const CMDLINE_SIZE = 0x238
export const PAYLOAD_OFFSET = 0x248
export const PAYLOAD_LENGTH = 0x24c
export const SETUP_DATA = 0x250
export const PREF_ADDRESS = 0x258
export const INIT_SIZE = 0x260

export const BOOT_FLAG_MAGIC = 0xaa55
/** "HdrS". */
export const HEADER_MAGIC = 0x53726448
/** "setup_sects: if this field contains 0, the real value is 4". */
export const DEFAULT_SETUP_SECTS = 4
export const SECTOR = 512
export const MIN_PROTOCOL = 0x200
/** "Undefined" in the loader type table: what a loader without an assigned id writes. */
export const LOADER_UNDEFINED = 0xff
export const VID_MODE_NORMAL = 0xffff

export const LOADED_HIGH = 0x01
export const XLF_KERNEL_64 = 0x01

/** "64-bit Boot Protocol": the entry is the start address of the loaded 64-bit kernel plus 0x200. */
export const ENTRY_64_OFFSET = 0x200
/** "Loading The Rest of The Kernel": 0x100000 for a bzImage. */
export const DEFAULT_LOAD_ADDRESS = 0x100000
/** initrd_addr_max: "for boot protocols 2.02 or earlier, this field is not present, and the maximum address is 0x37FFFFFF". */
export const DEFAULT_INITRD_ADDR_MAX = 0x37ffffff
/** cmdline_size: "in protocol version 2.05 and earlier, the maximum size was 255". */
export const DEFAULT_CMDLINE_SIZE = 255
/** COMMAND_LINE_SIZE of x86 Linux, for images without a header (vmlinux). */
export const LINUX_CMDLINE_SIZE = 2047

/** struct boot_params: zero-page.rst; struct screen_info: include/uapi/linux/screen_info.h. */
export const BOOT_PARAMS_SIZE = 4096
export const SCREEN_ORIG_X = 0x00
export const SCREEN_ORIG_Y = 0x01
export const SCREEN_ORIG_VIDEO_MODE = 0x06
export const SCREEN_ORIG_VIDEO_COLS = 0x07
export const SCREEN_ORIG_VIDEO_EGA_BX = 0x0a
export const SCREEN_ORIG_VIDEO_LINES = 0x0e
export const SCREEN_ORIG_VIDEO_ISVGA = 0x0f
export const SCREEN_ORIG_VIDEO_POINTS = 0x10
/** VIDEO_TYPE_VGAC: colour VGA text. */
export const VIDEO_TYPE_VGAC = 1
export const ACPI_RSDP_ADDR = 0x070
export const ALT_MEM_K = 0x1e0
export const E820_ENTRIES = 0x1e8
export const E820_TABLE = 0x2d0
export const E820_ENTRY_SIZE = 20
/** E820_MAX_ENTRIES_ZEROPAGE. */
export const E820_MAX_ENTRIES = 128

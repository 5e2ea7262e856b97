/** Multiboot Specification 0.6.96, sections 3.1 "OS image format", 3.2 "Machine state", 3.3 "Boot information format". */
export const SEARCH = 8192
export const HEADER_MAGIC = 0x1badb002
export const BOOTLOADER_MAGIC = 0x2badb002
/** Header flags 0..15 are requirements; a loader that does not know one must refuse. Known: page-aligned modules, memory, video. */
export const KNOWN_REQUIREMENTS = 0x0007
export const FLAG_ADDRESSES = 0x10000
export const H_FLAGS = 4
export const H_CHECKSUM = 8
export const H_HEADER_ADDR = 12
export const H_LOAD_ADDR = 16
export const H_LOAD_END_ADDR = 20
export const H_BSS_END_ADDR = 24
export const H_ENTRY_ADDR = 28
export const HEADER_SIZE = 12
export const HEADER_SIZE_ADDRESSES = 32

export const INFO_SIZE = 116
export const I_FLAGS = 0
export const I_MEM_LOWER = 4
export const I_MEM_UPPER = 8
export const I_CMDLINE = 16
export const I_MODS_COUNT = 20
export const I_MODS_ADDR = 24
export const I_MMAP_LENGTH = 44
export const I_MMAP_ADDR = 48
export const I_BOOT_LOADER_NAME = 64
/** mem_*, cmdline, mods_*, mmap_*, boot_loader_name are valid. */
export const INFO_FLAGS: number = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9)
export const MODULE_SIZE = 16
/** An mmap entry: its size field (which does not count itself), base, length, type. */
export const MMAP_ENTRY_SIZE = 24

export const BOOT_LOADER_NAME = 'entresol'

/** Multiboot2 Specification 2.0, sections 3.1 "OS image format", 3.3 "I386 machine state", 3.6 "Boot information format". */
export const SEARCH2 = 32768
export const HEADER2_MAGIC = 0xe85250d6
export const BOOTLOADER2_MAGIC = 0x36d76289
export const ARCHITECTURE_I386 = 0
export const H2_ARCHITECTURE = 4
export const H2_LENGTH = 8
export const H2_CHECKSUM = 12
export const HEADER2_SIZE = 16

export const HEADER_TAG_END = 0
export const HEADER_TAG_ADDRESS = 2
export const HEADER_TAG_ENTRY = 3
/** Tags a loader may take note of without doing anything: requests, console, framebuffer, module alignment, EFI entries, relocation. */
export const HEADER_TAGS_KNOWN: readonly number[] = [1, 4, 5, 6, 7, 8, 9, 10]
export const HEADER_TAG_OPTIONAL = 1

export const TAG_END = 0
export const TAG_CMDLINE = 1
export const TAG_BOOT_LOADER_NAME = 2
export const TAG_MODULE = 3
export const TAG_BASIC_MEMINFO = 4
export const TAG_MMAP = 6
export const TAG_ACPI_OLD = 14
export const TAG_ACPI_NEW = 15
export const MMAP2_ENTRY_SIZE = 24

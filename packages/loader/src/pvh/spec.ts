/** Xen's "x86/HVM direct boot ABI" (docs/misc/pvh.pandoc) and public/arch-x86/hvm/start_info.h, version 1. */
export const XEN_NOTE_OWNER = 'Xen'
/** public/elfnote.h: the 32-bit physical entry point. */
export const XEN_ELFNOTE_PHYS32_ENTRY = 18
export const XEN_HVM_START_MAGIC_VALUE = 0x336ec578

export const START_INFO_SIZE = 56
export const START_INFO_MAGIC = 0
export const START_INFO_VERSION = 4
export const START_INFO_NR_MODULES = 12
export const START_INFO_MODLIST_PADDR = 16
export const START_INFO_CMDLINE_PADDR = 24
export const START_INFO_RSDP_PADDR = 32
export const START_INFO_MEMMAP_PADDR = 40
export const START_INFO_MEMMAP_ENTRIES = 48

export const MODLIST_ENTRY_SIZE = 32
export const MODLIST_PADDR = 0
export const MODLIST_SIZE = 8
export const MODLIST_CMDLINE_PADDR = 16

export const MEMMAP_ENTRY_SIZE = 24
export const MEMMAP_ADDR = 0
export const MEMMAP_SIZE = 8
export const MEMMAP_TYPE = 16

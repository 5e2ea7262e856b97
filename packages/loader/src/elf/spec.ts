/** System V ABI (gABI), chapters 4 "ELF Header", 5 "Program Header" and "Note Section"; ELF-64 Object File Format 1.5. */
export const ELF_MAGIC = 0x464c457f
export const EI_CLASS = 4
export const EI_DATA = 5
export const ELFCLASS32 = 1
export const ELFCLASS64 = 2
export const ELFDATA2LSB = 1
export const E_TYPE = 16
export const E_MACHINE = 18
export const ET_EXEC = 2
export const ET_DYN = 3
export const EM_386 = 3
export const EM_X86_64 = 62
export const PT_LOAD = 1
export const PT_NOTE = 4

/** Offsets that differ between the two classes. */
export interface ElfLayout {
  readonly entry: number
  readonly phoff: number
  readonly phentsize: number
  readonly phnum: number
  readonly headerSize: number
  readonly programHeaderSize: number
  readonly pOffset: number
  readonly pVaddr: number
  readonly pPaddr: number
  readonly pFilesz: number
  readonly pMemsz: number
  readonly pAlign: number
}

export const ELF32: ElfLayout = {
  entry: 24, phoff: 28, phentsize: 42, phnum: 44, headerSize: 52, programHeaderSize: 32,
  pOffset: 4, pVaddr: 8, pPaddr: 12, pFilesz: 16, pMemsz: 20, pAlign: 28
}

export const ELF64: ElfLayout = {
  entry: 24, phoff: 32, phentsize: 54, phnum: 56, headerSize: 64, programHeaderSize: 56,
  pOffset: 8, pVaddr: 16, pPaddr: 24, pFilesz: 32, pMemsz: 40, pAlign: 48
}

/** More than any kernel has; a limit so that a hostile header costs nothing. */
export const MAX_PROGRAM_HEADERS = 512

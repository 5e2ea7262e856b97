import { mix32 } from './random.ts'

/** Where a test case lives: the same addresses on the real CPU and in a subject. Everything else below 4 GiB is unmapped. */

/** One page, readable and executable, filled with NOP around the code under test. The page after it is unmapped. */
export const CODE_ADDRESS = 0x0010_0000
export const CODE_SIZE = 0x1000
/** Where code goes when a case does not say. */
export const CODE_DEFAULT: number = CODE_ADDRESS + 0x800
/** Two pages, readable and writable, not executable. The pages before and after are unmapped: the guard. */
export const DATA_ADDRESS = 0x0020_0000
export const DATA_SIZE = 0x2000
export const GUARD_ADDRESS: number = DATA_ADDRESS + DATA_SIZE
/** One page, readable only, not executable. */
export const CONST_ADDRESS = 0x0020_3000
export const CONST_SIZE = 0x1000
/** Stack pointer of a case that has no opinion. */
export const STACK_DEFAULT: number = DATA_ADDRESS + 0x1800

/** FS and GS base in 64-bit mode, unless a case says otherwise. In 32-bit mode both are flat. */
export const FS_BASE_DEFAULT: number = DATA_ADDRESS + 0x400
export const GS_BASE_DEFAULT: number = DATA_ADDRESS + 0xc00

/**
 * Selectors of a user program on Linux; a subject needs a GDT with these: 0x20 32-bit code, 0x28 data, 0x30 64-bit code,
 * all DPL 3, base 0, limit 4 GiB.
 */
export const CS_64 = 0x33
export const CS_32 = 0x23
export const DATA_SELECTOR = 0x2b

/** What memory holds before the pieces of a case are applied: dword n of the page group at `address` is mix32(address + 4n). */
export function pristine(address: number, size: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(size / 4)
  for (let i = 0; i < words.length; i++) words[i] = mix32(address + 4 * i)
  return new Uint8Array(words.buffer)
}

/** Frame geometry and the limits of a 32-bit WebAssembly memory. */
export const FRAME_SHIFT = 12
export const FRAME_SIZE = 4096
/** Order of a 2 MiB block of frames, the p2m's superpage. */
export const SUPERPAGE_ORDER = 9
export const SUPERPAGE_FRAMES = 512
/** WebAssembly memories are measured in 64 KiB pages. */
export const WASM_PAGE_SIZE = 65536
/** Largest 32-bit WebAssembly memory in bytes. */
export const MAX_MACHINE_BYTES: number = 4 * 1024 ** 3
/** Most RAM one guest may have while machine memories are 32-bit: what is left of 4 GiB holds firmware, video memory and vCPU tables. */
export const MAX_GUEST_RAM_BYTES: number = 3.5 * 1024 ** 3
/** Guest physical addresses below this may be mapped to memory (64 GiB); MMIO may be anywhere. */
export const MAX_GFN: number = 2 ** 24

import type { MachineMemory } from '@entresol/interfaces'

/** Words of a map's header: the A20 mask, and how many regions have a dirty log. */
export const HEADER_ADDRESS_MASK = 0
export const HEADER_LOGS = 1
export const HEADER_WORDS = 2

/** Pages of all regions of a guest whose map is shared between threads: 8 GiB, more than a 32-bit memory holds. */
export const SHARED_PAGES: number = 2 ** 21

export const isShared = (memory: MachineMemory): boolean => !(memory.wasm.buffer instanceof ArrayBuffer)

/** Zero words that can be posted to other threads. The host commits them page by page when they are written. */
export const sharedInts = (length: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(length * 4))

/** The tables of a guest's physical-to-machine map, posted to another thread as they are. See PhysicalToMachine and PageStore. */
export interface SharedMap {
  readonly readMap: Int32Array
  readonly writeMap: Int32Array
  readonly entries: Int32Array
  readonly blocks: Int32Array
  readonly header: Int32Array
}

import type { Gfn, MachineAddress, PhysicalMap } from '@entresol/interfaces'
import { FRAME_SIZE, SUPERPAGE_FRAMES, SUPERPAGE_ORDER } from '../limits.ts'
import { PAGE_BACKED, PAGE_MFN, PAGE_WRITABLE } from './page-store.ts'
import { HEADER_ADDRESS_MASK, HEADER_LOGS } from './shared-map.ts'
import type { SharedMap } from './shared-map.ts'

/**
 * A guest's physical-to-machine map as another thread than its owner's sees it. Pages of reserved 2 MiB blocks get their frames here; for
 * the rest `prepare` asks the owner's `GuestPhysicalMemory.prepare` and returns when that is done. Every look is a fresh one into the shared
 * tables, and the owner waits for this thread before it gives away what it took from the map (`invalidate`, called by whoever carries messages).
 */
export class AttachedPhysicalMap implements PhysicalMap {
  readonly #map: SharedMap
  readonly #prepare: (page: number, forWrite: boolean) => void
  readonly #invalidateListeners: ((firstGfn: Gfn, count: number) => void)[] = []

  constructor(map: SharedMap, prepare: (page: number, forWrite: boolean) => void) {
    this.#map = map
    this.#prepare = prepare
  }

  get addressMask(): number {
    return Atomics.load(this.#map.header, HEADER_ADDRESS_MASK)
  }

  frameForRead(gfn: Gfn): number {
    return this.#frame(gfn, this.#map.readMap, PAGE_BACKED)
  }

  frameForWrite(gfn: Gfn): number {
    return this.#frame(gfn, this.#map.writeMap, PAGE_WRITABLE)
  }

  peek(gfn: Gfn, forWrite: boolean): number {
    const { readMap, writeMap, entries } = this.#map
    const page = (forWrite ? writeMap : readMap)[gfn] ?? 0
    if (!(page > 0)) return page < 0 ? -2 : -1
    const entry = entries[page]!
    return (entry & (forWrite ? PAGE_WRITABLE : PAGE_BACKED)) !== 0 ? (entry & PAGE_MFN) * FRAME_SIZE : -3
  }

  onInvalidate(listener: (firstGfn: Gfn, count: number) => void): void {
    this.#invalidateListeners.push(listener)
  }

  /** Writes of the host come by the code frames' messages. */
  onHostWrite(_listener: (address: MachineAddress, length: number) => void): void {}

  /** The owner changed the map. */
  invalidate(firstGfn: number, count: number): void {
    for (const listener of this.#invalidateListeners) listener(firstGfn as Gfn, count)
  }

  #frame(gfn: number, map: Int32Array, wanted: number): number {
    const { entries } = this.#map
    for (;;) {
      const page = map[gfn] ?? 0
      if (!(page > 0)) return page < 0 ? -2 : -1
      const entry = entries[page]!
      if ((entry & wanted) !== 0) return (entry & PAGE_MFN) * FRAME_SIZE
      if (!this.#populate(page, entry)) this.#prepare(page, wanted === PAGE_WRITABLE)
    }
  }

  /** Gives an untouched page of a reserved block its frame; false where only the owner can. */
  #populate(page: number, entry: number): boolean {
    const { blocks, entries, header } = this.#map
    const base = blocks[page >>> SUPERPAGE_ORDER]!
    if (entry !== 0 || base <= 0 || header[HEADER_LOGS] !== 0) return false
    // The owner writes the same when it comes first.
    Atomics.compareExchange(entries, page, 0, (base + (page & (SUPERPAGE_FRAMES - 1))) | PAGE_BACKED | PAGE_WRITABLE)
    return true
  }
}

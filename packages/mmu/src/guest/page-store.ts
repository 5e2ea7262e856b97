import type { Mfn } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FRAME_SIZE, SUPERPAGE_FRAMES, SUPERPAGE_ORDER } from '../limits.ts'
import type { FrameMemory } from '../machine/machine-memory.ts'
import type { MemoryRegion, RegionState } from './region.ts'
import { HEADER_ADDRESS_MASK, HEADER_LOGS, HEADER_WORDS, isShared, SHARED_PAGES, sharedInts } from './shared-map.ts'

/** Page entry: machine frame number in bits 19:0. An entry of 0 is an untouched page. */
export const PAGE_MFN = 0xfffff
/** The page has a machine frame. */
export const PAGE_BACKED: number = 1 << 20
/** Writing needs nothing first: not shared, and dirty already where a log runs. */
export const PAGE_WRITABLE: number = 1 << 21
/** The frame may be shared with other pages: copy before writing. */
export const PAGE_SHARED: number = 1 << 22

const UNRESERVED = 0
const SMALL_PAGES = -1

/**
 * The pages of all regions of one guest and the machine frames behind them. Page numbers start at 512 (0 means none), and each region starts
 * at a multiple of 512, so that `page >>> 9` is its 2 MiB block.
 *
 * A block that is touched first gets a whole aligned 2 MiB machine block where one is free. That takes address space, not memory: the host
 * commits the 4 KiB pages one by one. When machine memory runs out, untouched frames of such reservations are taken back.
 */
export class PageStore {
  readonly machine: FrameMemory
  /** By page. Over shared memory it has its final size, else it grows with the regions. */
  entries: Int32Array
  /** Per block: first machine frame of its reservation, or UNRESERVED (may get one), or SMALL_PAGES. As `entries` in size. */
  blocks: Int32Array
  /** HEADER_* words. */
  readonly header: Int32Array
  /** Called when cached addresses of [page, page + count) are no longer right. */
  onChange: (page: number, count: number) => void = () => {}
  /** Called when the guest lets go of a machine frame: what comes to be there next is none of what was. */
  onRelease: (mfn: number) => void = () => {}
  readonly #regions: RegionState[] = []
  /** Pages of all regions so far. */
  #pages: number = SUPERPAGE_FRAMES
  /** Per block: index into #regions. */
  #owners: Uint16Array = new Uint16Array(1)

  constructor(machine: FrameMemory) {
    this.machine = machine
    const shared = isShared(machine)
    this.entries = shared ? sharedInts(SHARED_PAGES) : new Int32Array(SUPERPAGE_FRAMES)
    this.blocks = shared ? sharedInts(SHARED_PAGES / SUPERPAGE_FRAMES) : new Int32Array(1)
    this.blocks[0] = SMALL_PAGES
    this.header = shared ? sharedInts(HEADER_WORDS) : new Int32Array(HEADER_WORDS)
    this.header[HEADER_ADDRESS_MASK] = -1
  }

  create(name: string, kind: 'ram' | 'rom', bytes: number): RegionState {
    const pages = bytes / FRAME_SIZE
    const firstPage = this.#pages
    const blocks = Math.ceil(pages / SUPERPAGE_FRAMES)
    const firstBlock = firstPage / SUPERPAGE_FRAMES
    const region: RegionState = { name, kind, bytes, firstPage, pages, dirty: undefined }
    this.#pages += blocks * SUPERPAGE_FRAMES
    if (!isShared(this.machine)) {
      this.entries = grown(this.entries, new Int32Array(this.#pages))
      this.blocks = grown(this.blocks, new Int32Array(firstBlock + blocks))
    } else if (this.#pages > SHARED_PAGES) throw new CodedError('memory-too-large', `region '${name}' does not fit the tables threads share`)
    this.#owners = grown(this.#owners, new Uint16Array(firstBlock + blocks)).fill(this.#regions.length, firstBlock)
    if (pages % SUPERPAGE_FRAMES !== 0) this.blocks[firstBlock + blocks - 1] = SMALL_PAGES
    this.#regions.push(region)
    return region
  }

  /** The store's own record of a region; refuses regions of other guests. */
  state(region: MemoryRegion): RegionState {
    const own = this.#regions.find((r) => r === region)
    if (own === undefined) throw new CodedError('unknown-region', `region '${region.name}' is not of this guest`)
    return own
  }

  regions(): readonly MemoryRegion[] {
    return this.#regions.filter((r) => r.pages > 0)
  }

  /** Frees all frames of a region and forgets it. Its page numbers are not used again. */
  destroy(region: RegionState): void {
    this.discard(region.firstPage, region.pages)
    const index = this.#regions.indexOf(region)
    this.#regions[index] = { ...region, pages: 0 }
  }

  /** Pages that have a frame. Looks at every page. */
  touchedPages(): number {
    let count = 0
    for (let page = 0; page < this.#pages; page++) if (this.entries[page]! & PAGE_BACKED) count++
    return count
  }

  /** Gives an untouched page its frame. Returns the machine address. */
  populate(page: number): number {
    const mfn = this.#frameFor(page)
    const logged = this.#owner(page).dirty !== undefined
    this.entries[page] = mfn | PAGE_BACKED | (logged ? 0 : PAGE_WRITABLE)
    return mfn * FRAME_SIZE
  }

  /** Makes a page writable in place: gives it a frame, breaks sharing, logs it as dirty. Returns the machine address. */
  prepareWrite(page: number): number {
    let mfn: number
    if ((this.entries[page]! & PAGE_BACKED) === 0) {
      mfn = this.#frameFor(page)
    } else if (this.entries[page]! & PAGE_SHARED) {
      mfn = this.#breakSharing(page)
    } else {
      mfn = this.entries[page]! & PAGE_MFN
    }
    this.entries[page] = mfn | PAGE_BACKED | PAGE_WRITABLE
    this.#log(page)
    return mfn * FRAME_SIZE
  }

  /** Makes the page's frame copy-on-write and returns it with a reference for the caller; -1 for an untouched page. */
  share(page: number): number {
    const entry = this.entries[page]!
    if ((entry & PAGE_BACKED) === 0) return -1
    const mfn = entry & PAGE_MFN
    this.machine.retain(mfn as Mfn)
    this.entries[page] = mfn | PAGE_BACKED | PAGE_SHARED
    if (entry & PAGE_WRITABLE) this.onChange(page, 1)
    return mfn
  }

  /** Puts a shared frame behind the page, taking over the caller's reference; what was there is released. */
  adopt(page: number, mfn: number): void {
    this.#leave(page)
    this.entries[page] = mfn | PAGE_BACKED | PAGE_SHARED
    this.#log(page)
    this.onChange(page, 1)
  }

  /** Gives frames back; the pages read as zero from now on. */
  discard(firstPage: number, count: number): void {
    for (let page = firstPage; page < firstPage + count; page++) {
      if ((this.entries[page]! & PAGE_BACKED) === 0) continue
      this.#leave(page)
      this.entries[page] = 0
      this.#log(page)
    }
    this.onChange(firstPage, count)
  }

  /** Starts (or goes on with nothing in) the dirty log of a region. */
  startLog(region: RegionState): void {
    if (region.dirty === undefined) this.header[HEADER_LOGS]! += 1
    region.dirty = new Uint32Array(Math.ceil(region.pages / 32))
    // No thread gives pages their frames by itself from here on.
    this.onChange(region.firstPage, region.pages)
    this.withdrawWrites(region, undefined)
  }

  stopLog(region: RegionState): void {
    if (region.dirty !== undefined) this.header[HEADER_LOGS]! -= 1
    region.dirty = undefined
  }

  /** Clears PAGE_WRITABLE on the pages of a region that `selected` names, so that the next write is seen. */
  withdrawWrites(region: RegionState, selected: Uint32Array | undefined): void {
    let first = -1
    for (let index = 0; index <= region.pages; index++) {
      if (selected !== undefined && (index & 31) === 0 && selected[index >>> 5] === 0 && first < 0) {
        index |= 31
        continue
      }
      const page = region.firstPage + index
      const hit =
        index < region.pages &&
        (selected === undefined || (selected[index >>> 5]! & (1 << (index & 31))) !== 0) &&
        (this.entries[page]! & PAGE_WRITABLE) !== 0
      if (hit) {
        this.entries[page]! &= ~PAGE_WRITABLE
        if (first < 0) first = page
      } else if (first >= 0) {
        this.onChange(first, page - first)
        first = -1
      }
    }
  }

  /** First machine frame of the 2 MiB block behind `page`'s block, -1 when it is made of small pages or untouched. */
  reservation(page: number): number {
    const base = this.blocks[page >>> SUPERPAGE_ORDER]!
    return base > 0 ? base : -1
  }

  #owner(page: number): RegionState {
    return this.#regions[this.#owners[page >>> SUPERPAGE_ORDER]!]!
  }

  #log(page: number): void {
    const region = this.#owner(page)
    if (region.dirty === undefined) return
    const index = page - region.firstPage
    region.dirty[index >>> 5]! |= 1 << (index & 31)
  }

  #frameFor(page: number): number {
    const block = page >>> SUPERPAGE_ORDER
    if (this.blocks[block] === UNRESERVED) {
      const base = this.machine.tryAllocate(SUPERPAGE_ORDER)
      this.blocks[block] = base < 0 ? SMALL_PAGES : base
    }
    const base = this.blocks[block]!
    if (base > 0) return base + (page & (SUPERPAGE_FRAMES - 1))
    return this.#smallFrame()
  }

  #smallFrame(): number {
    const mfn = this.machine.tryAllocate(0)
    if (mfn >= 0) return mfn
    for (let block = 0; block * SUPERPAGE_FRAMES < this.#pages; block++) this.#dissolve(block)
    return this.machine.allocate(0)
  }

  #breakSharing(page: number): number {
    const old = this.entries[page]! & PAGE_MFN
    if (this.machine.references(old as Mfn) === 1) return old
    const mfn = this.#smallFrame()
    this.machine.u8.copyWithin(mfn * FRAME_SIZE, old * FRAME_SIZE, (old + 1) * FRAME_SIZE)
    this.#leave(page)
    this.entries[page] = mfn | PAGE_BACKED
    this.onChange(page, 1)
    return mfn
  }

  /** Releases the page's frame, which may belong to a reservation. */
  #leave(page: number): void {
    this.#dissolve(page >>> SUPERPAGE_ORDER)
    const entry = this.entries[page]!
    if ((entry & PAGE_BACKED) === 0) return
    this.machine.release((entry & PAGE_MFN) as Mfn)
    this.onRelease(entry & PAGE_MFN)
  }

  /** Turns a 2 MiB reservation into small pages: its untouched frames go back. */
  #dissolve(block: number): void {
    const base = this.blocks[block]!
    if (base === SMALL_PAGES) return
    this.blocks[block] = SMALL_PAGES
    if (base === UNRESERVED) return
    // Other threads take frames of the reservation until they know.
    if (isShared(this.machine)) this.onChange(block * SUPERPAGE_FRAMES, SUPERPAGE_FRAMES)
    for (let index = 0; index < SUPERPAGE_FRAMES; index++) {
      const entry = this.entries[block * SUPERPAGE_FRAMES + index]!
      if ((entry & PAGE_BACKED) === 0) this.machine.freeUntouched((base + index) as Mfn)
    }
  }
}

function grown<T extends Int32Array | Uint16Array>(from: T, to: T): T {
  to.set(from)
  return to
}

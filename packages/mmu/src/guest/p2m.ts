import type { Gfn, MachineAddress, PhysicalMap } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FRAME_SIZE, MAX_GFN, SUPERPAGE_FRAMES } from '../limits.ts'
import type { FrameMemory } from '../machine/machine-memory.ts'
import { Layout, type Placement, type Segment } from './layout.ts'
import { PAGE_BACKED, PAGE_MFN, PAGE_WRITABLE, PageStore } from './page-store.ts'
import { HEADER_ADDRESS_MASK, isShared, sharedInts } from './shared-map.ts'
import type { SharedMap } from './shared-map.ts'

/** `count` given to onInvalidate listeners for "everything": all of a 52-bit physical address space. */
export const ALL_FRAMES: number = 2 ** 40

/**
 * The physical-to-machine map of one guest: guest frame → page of the store → machine frame, two loads from flat tables. Reads and writes
 * have a table each, so that chipset shadowing (reads from ROM, writes to RAM) is nothing special.
 */
export class PhysicalToMachine implements PhysicalMap {
  /** The machine memory the frames come from. */
  readonly machine: FrameMemory
  protected readonly store: PageStore
  protected readonly layout: Layout = new Layout()
  /** Frames at and above are not mapped. */
  protected limit = 0
  /** Page number by guest frame; 0: the bus. */
  protected readMap: Int32Array = new Int32Array(0)
  /** Page number by guest frame; 0: the bus, -1: dropped. */
  protected writeMap: Int32Array = new Int32Array(0)
  readonly #invalidateListeners: ((firstGfn: Gfn, count: number) => void)[] = []
  readonly #hostWriteListeners: ((address: MachineAddress, length: number) => void)[] = []

  constructor(machine: FrameMemory) {
    this.machine = machine
    this.store = new PageStore(machine)
    if (isShared(machine)) {
      this.limit = MAX_GFN
      this.readMap = sharedInts(MAX_GFN)
      this.writeMap = sharedInts(MAX_GFN)
    }
    this.store.onRelease = (mfn) => this.hostWrote(mfn * FRAME_SIZE, FRAME_SIZE)
    this.store.onChange = (page, count) => this.layout.eachAlias(page, count, (gfn, frames) => this.invalidate(gfn, frames))
  }

  /** Current mask on the low half of CPU addresses (A20). */
  get addressMask(): number {
    return this.store.header[HEADER_ADDRESS_MASK]!
  }

  /** What `AttachedPhysicalMap` needs in another thread; undefined over memory that is not shared. */
  get sharedMap(): SharedMap | undefined {
    if (!isShared(this.machine)) return undefined
    const { readMap, writeMap, store } = this
    return { readMap, writeMap, entries: store.entries, blocks: store.blocks, header: store.header }
  }

  /** On behalf of another thread: does what `frameForRead` or `frameForWrite` of the page would have to do first. */
  prepare(page: number, forWrite: boolean): void {
    if (forWrite) this.store.prepareWrite(page)
    else if ((this.store.entries[page]! & PAGE_BACKED) === 0) this.store.populate(page)
  }

  frameForRead(gfn: Gfn): number {
    if (!(gfn < this.limit)) return -1
    const page = this.readMap[gfn]!
    if (!(page > 0)) return -1
    const entry = this.store.entries[page]!
    return (entry & PAGE_BACKED) !== 0 ? (entry & PAGE_MFN) * FRAME_SIZE : this.store.populate(page)
  }

  frameForWrite(gfn: Gfn): number {
    if (!(gfn < this.limit)) return -1
    const page = this.writeMap[gfn]!
    if (!(page > 0)) return page < 0 ? -2 : -1
    const entry = this.store.entries[page]!
    return (entry & PAGE_WRITABLE) !== 0 ? (entry & PAGE_MFN) * FRAME_SIZE : this.store.prepareWrite(page)
  }

  peek(gfn: Gfn, forWrite: boolean): number {
    if (!(gfn < this.limit)) return -1
    const page = forWrite ? this.writeMap[gfn]! : this.readMap[gfn]!
    if (!(page > 0)) return page < 0 ? -2 : -1
    const entry = this.store.entries[page]!
    return (entry & (forWrite ? PAGE_WRITABLE : PAGE_BACKED)) !== 0 ? (entry & PAGE_MFN) * FRAME_SIZE : -3
  }

  onInvalidate(listener: (firstGfn: Gfn, count: number) => void): void {
    this.#invalidateListeners.push(listener)
  }

  onHostWrite(listener: (address: MachineAddress, length: number) => void): void {
    this.#hostWriteListeners.push(listener)
  }

  /** Drives the A20 gate: while disabled, CPUs see address bit 20 as 0. DMA is not affected. */
  setA20(enabled: boolean): void {
    const mask = enabled ? -1 : ~(1 << 20)
    if (mask === this.addressMask) return
    this.store.header[HEADER_ADDRESS_MASK] = mask
    this.invalidate(0, ALL_FRAMES)
  }

  /** Machine address of the 2 MiB block behind guest frames [gfn & ~511, +512), -1 when they are not one aligned reservation mapped whole. */
  superpageAt(gfn: Gfn): number {
    const first = gfn - (gfn % SUPERPAGE_FRAMES)
    const segment = this.layout.find(first)
    if (segment === undefined || segment.readPage <= 0 || segment.readPage !== segment.writePage) return -1
    const page = segment.readPage + (first - segment.gfn)
    if (page % SUPERPAGE_FRAMES !== 0 || first + SUPERPAGE_FRAMES > segment.gfn + segment.count) return -1
    const base = this.store.reservation(page)
    return base < 0 ? -1 : base * FRAME_SIZE
  }

  /** The layout as disjoint runs of guest frames, in ascending order, for inspection (`info mtree`). */
  segments(): readonly Readonly<Segment>[] {
    return this.layout.segments
  }

  protected place(gpa: number, bytes: number, placement: Placement): void {
    if (!Number.isInteger(gpa) || gpa < 0 || gpa % FRAME_SIZE !== 0 || !(bytes > 0) || bytes % FRAME_SIZE !== 0) {
      throw new CodedError('bad-mapping', `guest memory is mapped in 4 KiB steps; 0x${gpa.toString(16)}+${bytes} is not one`)
    }
    const gfn = gpa / FRAME_SIZE
    const count = bytes / FRAME_SIZE
    if (gfn + count > MAX_GFN) throw new CodedError('bad-mapping', `0x${gpa.toString(16)} is beyond the 64 GiB this map covers`)
    this.#grow(gfn + count)
    this.layout.place(gfn, count, placement)
    fill(this.readMap, gfn, count, placement.readPage)
    fill(this.writeMap, gfn, count, placement.writePage)
    this.invalidate(gfn, count)
  }

  protected invalidate(gfn: number, count: number): void {
    for (const listener of this.#invalidateListeners) listener(gfn as Gfn, count)
  }

  protected hostWrote(address: number, length: number): void {
    for (const listener of this.#hostWriteListeners) listener(address as MachineAddress, length)
  }

  #grow(limit: number): void {
    if (limit <= this.limit) return
    const readMap = new Int32Array(limit)
    const writeMap = new Int32Array(limit)
    readMap.set(this.readMap)
    writeMap.set(this.writeMap)
    this.readMap = readMap
    this.writeMap = writeMap
    this.limit = limit
  }
}

function fill(map: Int32Array, gfn: number, count: number, page: number | undefined): void {
  if (page === undefined) return
  if (page <= 0) map.fill(page, gfn, gfn + count)
  else for (let index = 0; index < count; index++) map[gfn + index] = page + index
}

import type { FrameKind, Gfn, Gpa, GuestMemory, Mfn } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FRAME_SIZE, MAX_GUEST_RAM_BYTES } from '../limits.ts'
import type { FrameMemory } from '../machine/machine-memory.ts'
import { PhysicalToMachine } from './p2m.ts'
import type { MemoryRegion } from './region.ts'

export interface MapOptions {
  /** Byte offset of the mapped part in the region. Default 0. */
  offset?: number
  /** Length of the mapped part. Default: the rest of the region. */
  bytes?: number
  /** Where writes go: to the memory, nowhere (ROM), or to the MMIO bus (flash, PAM). Default: memory for RAM regions, drop for ROM regions. */
  writes?: 'memory' | 'drop' | 'bus'
}

/**
 * A VM's guest-physical memory. Regions are created once and mapped, moved, aliased and unmapped at run time; frames come from the machine
 * memory when a page is first touched by a CPU or written by the host side.
 *
 * Errors: `bad-memory-size`, `memory-too-large`, `bad-mapping`, `unknown-region`, `machine-memory-exhausted` (also from an access that needs
 * a frame when none is left: the host overcommitted). A guest's addresses never cause one.
 */
export class GuestPhysicalMemory extends PhysicalToMachine implements GuestMemory {
  #size = 0
  readonly #scratch = new Uint8Array(8)
  readonly #scratchView = new DataView(this.#scratch.buffer)
  readonly #u16: Uint16Array

  constructor(machine: FrameMemory) {
    super(machine)
    this.#u16 = new Uint16Array(machine.wasm.buffer)
  }

  get size(): number {
    return this.#size
  }

  /** Bytes of RAM and ROM that were ever touched and not given back: what the guest costs. Looks at every page. */
  touchedBytes(): number {
    return this.store.touchedPages() * FRAME_SIZE
  }

  /** Creates a region that is mapped nowhere yet. `bytes` is rounded up to 4 KiB; `contents` fills its beginning. */
  createRegion(name: string, kind: 'ram' | 'rom', bytes: number, contents?: Uint8Array): MemoryRegion {
    if (!Number.isFinite(bytes) || bytes <= 0) throw new CodedError('bad-memory-size', `region '${name}' cannot have ${bytes} bytes`)
    const rounded = Math.ceil(bytes / FRAME_SIZE) * FRAME_SIZE
    const limit = kind === 'ram' ? MAX_GUEST_RAM_BYTES - this.#size : MAX_GUEST_RAM_BYTES
    if (rounded > limit) {
      throw new CodedError('memory-too-large', 'a guest can have at most 3.5 GiB of RAM until a 64-bit WebAssembly memory exists')
    }
    const region = this.store.create(name, kind, rounded)
    if (kind === 'ram') this.#size += rounded
    if (contents !== undefined) this.writeRegion(region, 0, contents)
    return region
  }

  /** Unmaps a region everywhere and frees its frames. */
  destroyRegion(region: MemoryRegion): void {
    const state = this.store.state(region)
    const aliases: [number, number][] = []
    this.layout.eachAlias(state.firstPage, state.pages, (gfn, count) => aliases.push([gfn, count]))
    for (const [gfn, count] of aliases) this.unmap(gfn * FRAME_SIZE, count * FRAME_SIZE)
    this.store.destroy(state)
    if (state.kind === 'ram') this.#size -= state.bytes
  }

  regions(): readonly MemoryRegion[] {
    return this.store.regions()
  }

  /** Creates the RAM of a PC: from 0 up to the PCI hole, the rest from 4 GiB on. `holeStart` in bytes, default 3 GiB. */
  addRam(bytes: number, options: { name?: string; holeStart?: number } = {}): MemoryRegion {
    const { name = 'ram', holeStart = 0xc0000000 } = options
    const region = this.createRegion(name, 'ram', bytes)
    const low = Math.min(region.bytes, holeStart)
    this.map(0, region, { bytes: low })
    if (region.bytes > low) this.map(2 ** 32, region, { offset: low })
    return region
  }

  /** Maps (part of) a region at `gpa`, over whatever was there. The same pages may be mapped at several addresses. */
  map(gpa: number, region: MemoryRegion, options: MapOptions = {}): void {
    const { offset = 0, writes = region.kind === 'rom' ? 'drop' : 'memory' } = options
    const bytes = options.bytes ?? region.bytes - offset
    const page = this.#page(region, offset, bytes)
    this.place(gpa, bytes, { readPage: page, writePage: writes === 'memory' ? page : writes === 'drop' ? -1 : 0 })
  }

  /** Redirects only the writes of a range: to a region (chipset shadow RAM under ROM), nowhere, or to the bus. */
  mapWrites(gpa: number, bytes: number, to: MemoryRegion | 'drop' | 'bus', offset = 0): void {
    this.place(gpa, bytes, { writePage: to === 'drop' ? -1 : to === 'bus' ? 0 : this.#page(to, offset, bytes) })
  }

  /** Leaves a range to the MMIO bus. */
  unmap(gpa: number, bytes: number): void {
    this.place(gpa, bytes, { readPage: 0, writePage: 0 })
  }

  kindOf(gfn: Gfn): FrameKind {
    const read = this.readMap[gfn] ?? 0
    if (!(read > 0)) return 'none'
    return this.writeMap[gfn] === read ? 'ram' : 'rom'
  }

  isRam(gpa: Gpa, length: number): boolean {
    // Beyond the safe integers an end would be no greater than its start.
    if (!(gpa >= 0 && length >= 0 && gpa + length <= Number.MAX_SAFE_INTEGER)) return false
    const end = gpa + length
    for (let gfn = Math.floor(gpa / FRAME_SIZE); gfn * FRAME_SIZE < end; gfn++) {
      if (this.kindOf(gfn as Gfn) !== 'ram') return false
    }
    return true
  }

  read(gpa: Gpa, into: Uint8Array): void {
    this.#eachPiece(gpa, into.length, (gfn, inPage, at, length) => {
      const frame = this.peek(gfn, false)
      if (frame >= 0) into.set(this.machine.u8.subarray(frame + inPage, frame + inPage + length), at)
      else into.fill(frame === -3 ? 0 : 0xff, at, at + length)
    })
  }

  write(gpa: Gpa, from: Uint8Array): void {
    this.#eachPiece(gpa, from.length, (gfn, inPage, at, length) => {
      const frame = this.frameForWrite(gfn)
      if (frame < 0) return
      this.machine.u8.set(from.subarray(at, at + length), frame + inPage)
      this.hostWrote(frame + inPage, length)
    })
  }

  readU8(gpa: Gpa): number {
    return this.#fetch(gpa, 1).getUint8(0)
  }

  /**
   * Aligned words of two and four bytes are read and written in one access: vCPUs of other threads share rings with devices, and see an index
   * whole or not at all.
   */
  readU16(gpa: Gpa): number {
    const at = (gpa & 1) === 0 ? this.#backed(gpa) : -1
    return at >= 0 ? this.#u16[at >>> 1]! : this.#fetch(gpa, 2).getUint16(0, true)
  }

  readU32(gpa: Gpa): number {
    const at = (gpa & 3) === 0 ? this.#backed(gpa) : -1
    return at >= 0 ? this.machine.u32[at >>> 2]! : this.#fetch(gpa, 4).getUint32(0, true)
  }

  readU64(gpa: Gpa): bigint {
    return this.#fetch(gpa, 8).getBigUint64(0, true)
  }

  writeU8(gpa: Gpa, value: number): void {
    this.#scratchView.setUint8(0, value)
    this.write(gpa, this.#scratch.subarray(0, 1))
  }

  writeU16(gpa: Gpa, value: number): void {
    const at = (gpa & 1) === 0 ? this.#backedForWrite(gpa) : -1
    if (at >= 0) {
      this.#u16[at >>> 1] = value
      this.hostWrote(at, 2)
      return
    }
    this.#scratchView.setUint16(0, value, true)
    this.write(gpa, this.#scratch.subarray(0, 2))
  }

  writeU32(gpa: Gpa, value: number): void {
    const at = (gpa & 3) === 0 ? this.#backedForWrite(gpa) : -1
    if (at >= 0) {
      this.machine.u32[at >>> 2] = value
      this.hostWrote(at, 4)
      return
    }
    this.#scratchView.setUint32(0, value, true)
    this.write(gpa, this.#scratch.subarray(0, 4))
  }

  writeU64(gpa: Gpa, value: bigint): void {
    this.#scratchView.setBigUint64(0, value, true)
    this.write(gpa, this.#scratch)
  }

  /** Host-side load of a region's bytes, mapped or not, ROM or not. Bytes beyond its end are refused with `bad-mapping`. */
  writeRegion(region: MemoryRegion, offset: number, from: Uint8Array): void {
    const state = this.store.state(region)
    if (!Number.isInteger(offset) || offset < 0 || offset + from.length > state.bytes) {
      throw new CodedError('bad-mapping', `${from.length} bytes at ${offset} do not fit region '${region.name}'`)
    }
    for (let at = 0; at < from.length; ) {
      const page = state.firstPage + Math.floor((offset + at) / FRAME_SIZE)
      const inPage = (offset + at) % FRAME_SIZE
      const length = Math.min(FRAME_SIZE - inPage, from.length - at)
      const frame = this.store.prepareWrite(page)
      this.machine.u8.set(from.subarray(at, at + length), frame + inPage)
      this.hostWrote(frame + inPage, length)
      at += length
    }
  }

  /** Starts logging the pages of a region that are written, by CPUs or the host side. All pages start clean. */
  startDirtyLog(region: MemoryRegion): void {
    this.store.startLog(this.store.state(region))
  }

  /** Pages written since the last collect: bit n of word n >>> 5 is page n of the region. Clears the log; the next write of a page is seen again. */
  collectDirty(region: MemoryRegion): Uint32Array {
    const state = this.store.state(region)
    if (state.dirty === undefined) throw new CodedError('no-dirty-log', `no dirty log runs for region '${region.name}'`)
    const collected = state.dirty
    state.dirty = new Uint32Array(collected.length)
    this.store.withdrawWrites(state, collected)
    return collected
  }

  stopDirtyLog(region: MemoryRegion): void {
    this.store.stopLog(this.store.state(region))
  }

  /**
   * Makes the frame behind `gfn` copy-on-write and returns it with one reference for the caller, to be given to `adopt` (of this or another
   * guest of the same machine memory) or dropped with FrameMemory.release. -1 when it is not memory or was never touched.
   */
  share(gfn: Gfn): number {
    const page = this.readMap[gfn] ?? 0
    return page > 0 ? this.store.share(page) : -1
  }

  /** Puts a shared frame behind `gfn`, taking over the caller's reference. The caller has compared the contents where it matters. */
  adopt(gfn: Gfn, mfn: Mfn): void {
    const page = this.readMap[gfn] ?? 0
    if (!(page > 0)) throw new CodedError('bad-mapping', `guest frame ${gfn} is not memory`)
    this.store.adopt(page, mfn)
  }

  /** Gives the frames of whole pages inside [gpa, gpa+bytes) back to the machine memory (ballooning); they read as zero again. */
  discard(gpa: Gpa, bytes: number): void {
    const end = Math.floor((gpa + bytes) / FRAME_SIZE)
    for (let gfn = Math.ceil(gpa / FRAME_SIZE); gfn < Math.min(end, this.limit); gfn++) {
      const page = this.writeMap[gfn]!
      if (page > 0) this.store.discard(page, 1)
    }
  }

  #page(region: MemoryRegion, offset: number, bytes: number): number {
    const state = this.store.state(region)
    if (state.pages === 0 || offset < 0 || offset % FRAME_SIZE !== 0 || offset + bytes > state.bytes) {
      throw new CodedError('bad-mapping', `offset ${offset}+${bytes} is not a page range of region '${region.name}'`)
    }
    return state.firstPage + offset / FRAME_SIZE
  }

  /** Machine address of a byte of memory that has a frame, else negative. */
  #backed(gpa: number): number {
    if (!(Number.isSafeInteger(gpa) && gpa >= 0)) return -1
    const frame = this.peek(Math.floor(gpa / FRAME_SIZE) as Gfn, false)
    return frame < 0 ? -1 : frame + (gpa & (FRAME_SIZE - 1))
  }

  /** The same for writing, with the frame made ready. */
  #backedForWrite(gpa: number): number {
    if (!(Number.isSafeInteger(gpa) && gpa >= 0)) return -1
    const frame = this.frameForWrite(Math.floor(gpa / FRAME_SIZE) as Gfn)
    return frame < 0 ? -1 : frame + (gpa & (FRAME_SIZE - 1))
  }

  /** The bytes at gpa, in a view whose first `bytes` bytes are set. */
  #fetch(gpa: number, bytes: number): DataView {
    const inPage = gpa % FRAME_SIZE
    if (inPage >= 0 && inPage + bytes <= FRAME_SIZE) {
      const frame = this.peek(((gpa - inPage) / FRAME_SIZE) as Gfn, false)
      const source = this.machine.u8
      const other = frame === -3 ? 0 : 0xff
      for (let at = 0; at < bytes; at++) this.#scratch[at] = frame >= 0 ? source[frame + inPage + at]! : other
    } else {
      this.read(gpa as Gpa, this.#scratch.subarray(0, bytes))
    }
    return this.#scratchView
  }

  #eachPiece(gpa: number, bytes: number, visit: (gfn: Gfn, inPage: number, at: number, length: number) => void): void {
    // A nonsensical address (negative, fractional, NaN) is simply not memory.
    const valid = Number.isSafeInteger(gpa) && gpa >= 0
    for (let at = 0; at < bytes; ) {
      const inPage = valid ? (gpa + at) % FRAME_SIZE : 0
      const gfn = valid ? (gpa + at - inPage) / FRAME_SIZE : -1
      const length = Math.min(FRAME_SIZE - inPage, bytes - at)
      visit(gfn as Gfn, inPage, at, length)
      at += length
    }
  }
}

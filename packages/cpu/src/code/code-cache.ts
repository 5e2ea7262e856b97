import type { MachineMemory } from '@entresol/interfaces'
import { Decoder, MAX_INSTRUCTION_BYTES, MODES } from '../decode/decoder.ts'
import type { DecodedInstruction, DecodeMode } from '../decode/decoder.ts'
import type { InstructionTable, TableEntry, Variant } from '../decode/variants.ts'
import {
  PSEUDO_CONTINUE, PSEUDO_COUNT, PSEUDO_CROSS, PSEUDO_EXIT, PSEUDO_GENERAL_PROTECTION, PSEUDO_INTERCEPT, PSEUDO_REGION, PSEUDO_UNDEFINED,
} from '../interpreter/pseudo.ts'
import {
  R_FLAGS, R_HANDLER, R_IMMEDIATE, R_LENGTH, R_LINK, R_OFFSET, R_REGION_ENTRY, R_REGION_ORIGINAL, R_REGION_SLOT, RECORD_BYTES, RECORD_COUNTED, RECORD_LEGACY,
  RECORD_LINKS,
} from '../interpreter/records.ts'
import * as L from '../state/layout.ts'

const PAGE = 4096
const TABLE_BYTES = PAGE * 4
/** Straight runs are cut here so that one decode stays short. */
const MAX_RUN = 64
/** Instructions remembered by `decodeStep`. */
const MAX_STEPS = 16384

/** One instruction decoded into STEP_RECORDS before, with the record that follows it, to be used again while its bytes are the same. */
interface DecodedStep {
  readonly mode: number
  readonly exit: boolean
  readonly bytes: Uint8Array
  readonly records: Uint8Array
}

export interface CodeCacheOptions {
  readonly memory: MachineMemory
  readonly table: InstructionTable
  /** Features announced by CPUID decide which rows exist. */
  readonly allowed: (entry: TableEntry) => boolean
  /** Instructions the monitor wants: their records hand over instead. */
  readonly intercepted: (variant: Variant) => boolean
  /** Bytes for tables and records. */
  readonly arenaBytes: number
  /** Two records outside every table, for stepping and page-crossing instructions. */
  readonly stepRecords: number
  /** A machine frame just became code: writes to it must be seen. */
  readonly onNewCode: (frame: number) => void
  /** Nothing decoded from the frame is left. */
  readonly onCodeGone: (frame: number) => void
  /** Instructions decoded from bytes [from, to) of the page were overwritten. */
  readonly onOverwritten: (page: CodePageId, from: number, to: number) => void
  /** Everything was dropped: fetch tags and the current page are stale. */
  readonly onFlush: () => void
}

/** A page of code: machine frame and code mode, and the table of its records. */
export interface CodePageId {
  readonly frame: number
  readonly mode: number
  readonly table: number
}

/**
 * Decoded instructions by machine frame and code mode. Each page of code has a table of 4096 record pointers by offset; records
 * of a straight run are contiguous. A write that touches a decoded instruction turns its record into PSEUDO_CONTINUE, which
 * looks the address up again and decodes anew: data beside code costs no more than the check.
 */
export class CodeCache {
  readonly #options: CodeCacheOptions
  readonly #view: DataView
  readonly #u8: Uint8Array
  readonly #u32: Uint32Array
  readonly #arena: number
  readonly #arenaEnd: number
  #next: number
  /** Table address by frame number * 8 + mode. */
  readonly #tables = new Map<number, number>()
  readonly #pages = new Map<number, CodePageId>()
  /** Bytes of `coverStart` by table. */
  readonly #starts = new Map<number, number>()
  /** Bit m set: frame has a table for mode m. */
  readonly #codeFrames: Uint8Array
  readonly #decoder: Decoder
  readonly #bytes = new Uint8Array(2 * MAX_INSTRUCTION_BYTES)
  /** What is behind the records that hand over to the monitor. */
  readonly #intercepted = new Map<number, Variant>()
  /** By machine address: an instruction across two pages may stand in a hot loop. */
  readonly #steps = new Map<number, DecodedStep>()
  decoded = 0
  invalidated = 0
  flushes = 0

  constructor(options: CodeCacheOptions) {
    this.#options = options
    const { memory } = options
    this.#view = new DataView(memory.wasm.buffer)
    this.#u8 = memory.u8
    this.#u32 = memory.u32
    this.#arena = memory.reserve(options.arenaBytes)
    this.#arenaEnd = this.#arena + options.arenaBytes
    this.#next = this.#arena
    this.#codeFrames = new Uint8Array(memory.frames)
    this.#decoder = new Decoder(options.table, options.allowed)
  }

  /** Table of the page at machine address `frame`, made when new. */
  tableFor(frame: number, mode: number): number {
    const key = (frame >>> 12) * 8 + mode
    let table = this.#tables.get(key)
    if (table !== undefined && this.#codeFrames[frame >>> 12]! & (1 << mode)) return table
    if (table === undefined) {
      table = this.#next
      this.#next += TABLE_BYTES
      this.#u32.fill(0, table >>> 2, (table + TABLE_BYTES) >>> 2)
      this.#tables.set(key, table)
      this.#pages.set(table, { frame, mode, table })
    }
    const fresh = !this.#codeFrames[frame >>> 12]
    this.#codeFrames[frame >>> 12]! |= 1 << mode
    if (fresh) this.#options.onNewCode(frame)
    return table
  }

  /** Bytes of tables and records in use. */
  get bytes(): number {
    return this.#next - this.#arena
  }

  /** True when the machine address is one of a table or record here. */
  contains(address: number): boolean {
    return address >= this.#arena && address < this.#next
  }

  flush(): void {
    this.flushes++
    this.#next = this.#arena
    for (const key of this.#tables.keys()) {
      const frame = key >>> 3
      if (this.#codeFrames[frame]) this.#options.onCodeGone((frame << 12) >>> 0)
      this.#codeFrames[frame] = 0
    }
    this.#tables.clear()
    this.#pages.clear()
    this.#starts.clear()
    this.#intercepted.clear()
    this.#steps.clear()
    this.#options.onFlush()
  }

  /** True when a run decoded now would not fit: the caller flushes first, at a point where no record is in use. */
  get full(): boolean {
    return this.#next + TABLE_BYTES + (MAX_RUN + 1) * RECORD_BYTES > this.#arenaEnd
  }

  /** Decodes a straight run at `offset` of the page and enters it; returns its first record. */
  decodeRun(frame: number, offset: number, mode: number, table: number): number {
    const size = MODES[mode & L.MODE_SIZE]!
    // Elsewhere a branch goes to an offset that CS.base and masks make an address of.
    const linear = mode === L.MODE_64 || (mode & L.MODE_FLAT) !== 0
    const first = this.#next
    let at = first
    for (let count = 0; ; count++) {
      const index = (table >>> 2) + offset
      if (count === MAX_RUN || offset >= PAGE || this.#u32[index] !== 0) {
        this.#pseudo(at, PSEUDO_CONTINUE, offset, 0, size)
        if (offset < PAGE) this.#u32[(at + R_LINK) >>> 2] = this.#u32[index]!
        at += RECORD_BYTES
        break
      }
      this.#u32[index] = at
      const ends = this.#decodeOne(frame + offset, frame + PAGE, at, offset, size)
      if (linear) this.#mayLink(at, offset)
      at += RECORD_BYTES
      if (ends) break
      offset += this.#u8[at - RECORD_BYTES + R_LENGTH]!
    }
    this.#next = at
    return first
  }

  /** Marks a record just written that is a relative branch into its own page. */
  #mayLink(at: number, offset: number): void {
    if (this.#view.getUint16(at, true) < PSEUDO_COUNT) return
    const { relative, variant } = this.#decoder
    if (!relative || variant!.width === 16) return
    const target = this.#view.getBigInt64(at + R_IMMEDIATE, true)
    if (target < 0n || target >= BigInt(PAGE)) return
    const counted = target <= BigInt(offset) || variant!.row.mnemonic === 'CALL'
    this.#view.setUint8(at + R_FLAGS, this.#view.getUint8(at + R_FLAGS) | RECORD_LINKS | (counted ? RECORD_COUNTED : 0))
    this.#u32[(at + R_LINK) >>> 2] = 0
  }

  /** Writes the record for the instruction at machine address `start`; true when control never falls through. */
  #decodeOne(start: number, pageEnd: number, at: number, offset: number, size: DecodeMode): boolean {
    this.decoded++
    const decoder = this.#decoder
    const status = decoder.decode(this.#u8, start, pageEnd, size)
    if (status === 'more') {
      // The bytes left on this page, so that writes to them are noticed.
      this.#pseudo(at, PSEUDO_CROSS, offset, pageEnd - start, size)
      return true
    }
    return this.#enter(status, at, offset, size)
  }

  #enter(status: 'ok' | 'undefined' | 'too-long' | 'more', at: number, offset: number, size: DecodeMode): boolean {
    const decoder = this.#decoder
    if (status !== 'ok') {
      this.#pseudo(at, status === 'undefined' ? PSEUDO_UNDEFINED : PSEUDO_GENERAL_PROTECTION, offset, decoder.length, size)
      return true
    }
    const variant = decoder.variant!
    decoder.writeRecord(this.#view, at, offset)
    if (this.#options.intercepted(variant)) {
      this.#view.setUint16(at + R_HANDLER, PSEUDO_INTERCEPT, true)
      this.#intercepted.set(at, variant)
    }
    return variant.row.options.ends === true
  }

  #pseudo(at: number, handler: number, offset: number, length: number, size: DecodeMode): void {
    this.#u32.fill(0, at >>> 2, (at + RECORD_BYTES) >>> 2)
    this.#view.setUint16(at + R_HANDLER, handler, true)
    this.#view.setUint16(at + R_OFFSET, offset, true)
    this.#view.setUint8(at + R_LENGTH, length)
    this.#view.setUint8(at + R_FLAGS, size.size === 64 ? 0 : RECORD_LEGACY)
  }

  // Translated regions

  /** The page whose record table this is. */
  page(table: number): CodePageId {
    return this.#pages.get(table)!
  }

  /** The instruction that was decoded at an offset of the page; undefined where there is none, or none of the guest's alone. */
  instructionAt(page: CodePageId, offset: number): DecodedInstruction | undefined {
    let record = this.#u32[(page.table >>> 2) + offset]!
    if (record === 0) return undefined
    if (this.#view.getUint16(record, true) === PSEUDO_REGION) record = this.#u32[(record + R_REGION_ORIGINAL) >>> 2]!
    if (this.#view.getUint16(record, true) < PSEUDO_COUNT) return undefined
    const status = this.#decoder.decode(this.#u8, page.frame + offset, page.frame + PAGE, MODES[page.mode & L.MODE_SIZE]!)
    return status === 'ok' ? this.#decoder.snapshot() : undefined
  }

  /** The instruction at an offset of the page goes on in the next one. */
  crosses(page: CodePageId, offset: number): boolean {
    let record = this.#u32[(page.table >>> 2) + offset]!
    if (record !== 0 && this.#view.getUint16(record, true) === PSEUDO_REGION) record = this.#u32[(record + R_REGION_ORIGINAL) >>> 2]!
    return record !== 0 && this.#view.getUint16(record, true) === PSEUDO_CROSS
  }

  /** The instruction that begins at an offset of `page` and ends in `next`. */
  instructionAcross(page: CodePageId, offset: number, next: CodePageId): DecodedInstruction | undefined {
    const bytes = this.#bytes
    const here = PAGE - offset
    bytes.set(this.#u8.subarray(page.frame + offset, page.frame + PAGE))
    bytes.set(this.#u8.subarray(next.frame, next.frame + MAX_INSTRUCTION_BYTES), here)
    const status = this.#decoder.decode(bytes, 0, MAX_INSTRUCTION_BYTES, MODES[page.mode & L.MODE_SIZE]!)
    if (status !== 'ok' || this.#options.intercepted(this.#decoder.variant!)) return undefined
    return this.#decoder.snapshot()
  }

  /** The first `length` bytes of the page are the end of a translated instruction that begins before it. */
  coverStart(page: CodePageId, length: number): void {
    this.#starts.set(page.table, Math.max(this.#starts.get(page.table) ?? 0, length))
  }

  hasRegion(page: CodePageId, offset: number): boolean {
    const record = this.#u32[(page.table >>> 2) + offset]!
    return record !== 0 && this.#view.getUint16(record, true) === PSEUDO_REGION
  }

  /** Control that reaches `offset` of the page enters entry `entry` of the region in `slot` from now on. */
  enterRegion(page: CodePageId, offset: number, slot: number, entry: number): void {
    const record = this.#u32[(page.table >>> 2) + offset]!
    const original = this.#next
    this.#next += RECORD_BYTES
    this.#u32.copyWithin(original >>> 2, record >>> 2, (record + RECORD_BYTES) >>> 2)
    // In its place, as other records may lead to it.
    this.#view.setUint16(record, PSEUDO_REGION, true)
    this.#view.setUint8(record + R_FLAGS, this.#view.getUint8(record + R_FLAGS) & ~RECORD_LINKS)
    this.#u32[(record + R_REGION_ENTRY) >>> 2] = entry
    this.#u32[(record + R_REGION_SLOT) >>> 2] = slot
    this.#u32[(record + R_REGION_ORIGINAL) >>> 2] = original
  }

  /** The region's entry is gone: the record is the instruction's again. */
  leaveRegion(page: CodePageId, offset: number, slot: number): void {
    const record = this.#u32[(page.table >>> 2) + offset]!
    if (record === 0 || !this.hasRegion(page, offset) || this.#u32[(record + R_REGION_SLOT) >>> 2] !== slot) return
    const original = this.#u32[(record + R_REGION_ORIGINAL) >>> 2]!
    this.#u32.copyWithin(record >>> 2, original >>> 2, (original + RECORD_BYTES) >>> 2)
  }

  /** Variant behind the last record written by `decodeRun` or `decodeStep`. */
  variantOf(record: number): Variant | undefined {
    const handler = this.#view.getUint16(record + R_HANDLER, true)
    return handler === PSEUDO_INTERCEPT ? this.#intercepted.get(record) : this.#options.table.byId(handler)
  }

  /**
   * Decodes the instruction at machine address `first`, `offset` of its page, into STEP_RECORDS, followed by PSEUDO_CONTINUE or PSEUDO_EXIT.
   * `nextPage` gives the machine address of the next page, -1 when it is not memory, and throws the guest's fault: only an instruction that needs
   * that page may fault there.
   */
  decodeStep(first: number, nextPage: () => number, offset: number, mode: number, exit: boolean): void {
    const at = this.#options.stepRecords
    const available = Math.min(MAX_INSTRUCTION_BYTES, PAGE - offset)
    const known = this.#steps.get(first)
    if (known?.mode === mode && known.exit === exit && this.#holds(first, known.bytes, 0, available)) {
      const { bytes } = known
      // The bytes before the page's end are all that says whether more are needed.
      const second = bytes.length > available ? nextPage() : 0
      if (second >= 0 && this.#holds(second, bytes, available, MAX_INSTRUCTION_BYTES)) {
        this.#u8.set(known.records, at)
        return
      }
    }
    this.decoded++
    const size = MODES[mode & L.MODE_SIZE]!
    const bytes = this.#bytes
    this.#gather(first, 0, available)
    let status = this.#decoder.decode(bytes, 0, available, size)
    if (status === 'more' && available < MAX_INSTRUCTION_BYTES) {
      this.#gather(nextPage(), available, MAX_INSTRUCTION_BYTES)
      status = this.#decoder.decode(bytes, 0, MAX_INSTRUCTION_BYTES, size)
    }
    const { length } = this.#decoder
    this.#enter(status, at, offset, size)
    this.#pseudo(at + RECORD_BYTES, exit ? PSEUDO_EXIT : PSEUDO_CONTINUE, offset + length, 0, size)
    if (status !== 'ok' || this.#view.getUint16(at + R_HANDLER, true) === PSEUDO_INTERCEPT) return
    if (this.#steps.size === MAX_STEPS) this.#steps.clear()
    this.#steps.set(first, { mode, exit, bytes: bytes.slice(0, length), records: this.#u8.slice(at, at + 2 * RECORD_BYTES) })
  }

  /** Does memory at `address` hold the bytes from `from` up to `to`, or to their end? */
  #holds(address: number, bytes: Uint8Array, from: number, to: number): boolean {
    for (let i = from; i < to && i < bytes.length; i++) if (this.#u8[address + i - from] !== bytes[i]) return false
    return true
  }

  /** Instruction bytes [from, to) out of memory at `address`; all ones where there is none. */
  #gather(address: number, from: number, to: number): void {
    for (let i = from; i < to; i++) this.#bytes[i] = address < 0 ? 0xff : this.#u8[address + i - from]!
  }

  /** May a byte of these be part of a decoded instruction? The start of a page may be the end of one that begins before it. */
  overlaps(address: number, length: number): boolean {
    const modes = this.#codeFrames[address >>> 12]!
    if (!modes) return false
    const frame = (address & ~0xfff) >>> 0
    const offset = address - frame
    if (offset < MAX_INSTRUCTION_BYTES) return true
    for (let mode = 0; mode < 8; mode++) {
      if (!(modes & (1 << mode))) continue
      const table = this.#tables.get((frame >>> 12) * 8 + mode)! >>> 2
      for (let at = offset - MAX_INSTRUCTION_BYTES + 1; at < offset + length; at++) {
        const record = this.#u32[table + at]!
        if (record !== 0 && at + this.#u8[record + R_LENGTH]! > offset) return true
      }
    }
    return false
  }

  /** Forgets what was decoded from the frame. Its tables stay, empty, for when it is executed again. */
  dropFrame(frame: number): void {
    if (!this.#codeFrames[frame >>> 12]) return
    this.wrote(frame, PAGE)
    this.#codeFrames[frame >>> 12] = 0
    this.#options.onCodeGone(frame)
  }

  /** Whoever comes to the record looks its address up again. */
  #forget(record: number): void {
    this.#view.setUint16(record + R_HANDLER, PSEUDO_CONTINUE, true)
    this.#u32[(record + R_LINK) >>> 2] = 0
  }

  /** Machine bytes changed: instructions decoded from them are decoded anew when next reached. */
  wrote(address: number, length: number): void {
    const modes = this.#codeFrames[address >>> 12]
    if (!modes) return
    const frame = (address & ~0xfff) >>> 0
    const start = Math.max(0, address - frame - MAX_INSTRUCTION_BYTES + 1)
    const end = Math.min(PAGE, address - frame + length)
    for (let mode = 0; mode < 8; mode++) {
      if (!(modes & (1 << mode))) continue
      const table = this.#tables.get((frame >>> 12) * 8 + mode)! >>> 2
      let gone = address - frame < (this.#starts.get(table << 2 >>> 0) ?? 0)
      for (let offset = start; offset < end; offset++) {
        const record = this.#u32[table + offset]!
        if (record === 0 || offset + this.#u8[record + R_LENGTH]! <= address - frame) continue
        if (this.#view.getUint16(record, true) === PSEUDO_REGION) this.#forget(this.#u32[(record + R_REGION_ORIGINAL) >>> 2]!)
        this.#forget(record)
        this.#u32[table + offset] = 0
        this.invalidated++
        gone = true
      }
      if (gone) this.#options.onOverwritten(this.#pages.get(table << 2 >>> 0)!, address - frame, end)
    }
  }
}

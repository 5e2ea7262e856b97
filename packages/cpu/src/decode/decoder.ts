import type { Width } from '../emit/emitter.ts'
import * as R from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import type { MandatoryPrefix, OpcodeMap } from './encoding.ts'
import { variantKey } from './variants.ts'
import type { InstructionTable, Repeat, TableEntry, Variant } from './variants.ts'

/** What decoding one instruction found. */
export type DecodeStatus =
  | 'ok'
  /** No such instruction, LOCK not allowed, not in this mode, or not announced by CPUID: #UD. */
  | 'undefined'
  /** Bytes ran out: the caller supplies more (next page) or faults. */
  | 'more'
  /** Over 15 bytes: #GP(0) (SDM vol. 2, 2.3.11). */
  | 'too-long'

export const MAX_INSTRUCTION_BYTES = 15

/** Everything about the code segment the meaning of bytes depends on. */
export interface DecodeMode {
  /** Default size of the code segment: 64 in 64-bit mode. */
  readonly size: 16 | 32 | 64
}

/** By MODE_16, MODE_32, MODE_64 of state/layout.ts. */
export const MODES: readonly DecodeMode[] = [{ size: 16 }, { size: 32 }, { size: 64 }]

/** One decoded instruction: constants for a translator, contents of a record for the interpreter. */
export interface DecodedInstruction {
  readonly variant: Variant
  readonly length: number
  readonly legacy: boolean
  readonly lock: boolean
  readonly addressSize: 16 | 32 | 64
  /** Segment index of the memory operand. */
  readonly segment: number
  /** State offsets of register operands, base and index (ZERO: none). */
  readonly rm: number
  readonly reg: number
  readonly vvvv: number
  readonly base: number
  readonly index: number
  readonly scale: number
  readonly displacement: number
  readonly ripRelative: boolean
  readonly moffs: boolean
  readonly immediate: bigint
}

/** Decodes one instruction at a time into its own fields; reuse the object. */
export class Decoder {
  readonly #table: InstructionTable
  /** Rows whose feature is not in this set are undefined. */
  readonly #allowed: (entry: TableEntry) => boolean

  // Result of the last decode
  variant: Variant | undefined
  length = 0
  legacy = false
  lock = false
  addressSize: 16 | 32 | 64 = 64
  /** Segment index of the memory operand (or of string sources and moffs). */
  segment: number = L.SEG_DS
  /** State offsets for the record. */
  rm = 0
  reg = 0
  vvvv = 0
  base: number = L.ZERO
  index: number = L.ZERO
  scale = 0
  displacement = 0
  ripRelative = false
  moffs = false
  immediate = 0n
  relative = false

  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #limit = 0
  #rex = 0
  #modrm = 0

  constructor(table: InstructionTable, allowed: (entry: TableEntry) => boolean) {
    this.#table = table
    this.#allowed = allowed
  }

  /** Decodes at `bytes[start]`, reading below `end`. */
  decode(bytes: Uint8Array, start: number, end: number, mode: DecodeMode): DecodeStatus {
    this.#bytes = bytes
    this.#at = start
    this.#limit = Math.min(end, start + MAX_INSTRUCTION_BYTES)
    const status = this.#decode(mode)
    this.length = this.#at - start
    if (status === 'more' && this.#limit === start + MAX_INSTRUCTION_BYTES) return 'too-long'
    return status
  }

  #decode(mode: DecodeMode): DecodeStatus {
    const long = mode.size === 64
    this.legacy = !long
    this.lock = false
    this.#rex = 0
    let operandPrefix = false
    let addressPrefix = false
    let repeat = 0
    let override = -1
    let opcode: number
    for (;;) {
      opcode = this.#u8()
      if (opcode < 0) return 'more'
      if (opcode === 0x66) operandPrefix = true
      else if (opcode === 0x67) addressPrefix = true
      else if (opcode === 0xf0) this.lock = true
      else if (opcode === 0xf2 || opcode === 0xf3) repeat = opcode
      else if (opcode === 0x2e) override = long ? override : L.SEG_CS
      else if (opcode === 0x36) override = long ? override : L.SEG_SS
      else if (opcode === 0x3e) override = long ? override : L.SEG_DS
      else if (opcode === 0x26) override = long ? override : L.SEG_ES
      else if (opcode === 0x64) override = L.SEG_FS
      else if (opcode === 0x65) override = L.SEG_GS
      else if (long && (opcode & 0xf0) === 0x40) {
        this.#rex = opcode
        continue
      } else break
      this.#rex = 0
    }
    this.addressSize = long ? (addressPrefix ? 32 : 64) : (mode.size === 32) !== addressPrefix ? 32 : 16

    let map: OpcodeMap = ''
    let vex = false
    let vectorL = 0
    let prefix: MandatoryPrefix = operandPrefix ? '66' : 'NP'
    let w = (this.#rex >> 3) & 1
    this.vvvv = 0
    let vvvvNumber = 0
    if (opcode === 0x0f) {
      map = '0F'
      opcode = this.#u8()
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? '0F38' : '0F3A'
        opcode = this.#u8()
      }
      if (opcode < 0) return 'more'
    } else if (opcode === 0xc4 || opcode === 0xc5) {
      const next = this.#peek()
      if (next < 0) return 'more'
      if (long || next >= 0xc0) {
        if (this.#rex || operandPrefix || repeat || this.lock) return this.#undefinedAfterVex(opcode)
        vex = true
        let p1 = this.#u8()
        if (opcode === 0xc4) {
          const p2 = this.#u8()
          if (p2 < 0) return 'more'
          this.#rex = long ? (~p1 >> 5) & 7 : 0
          w = p2 >> 7
          const select = p1 & 0x1f
          if (select < 1 || select > 3) return 'undefined'
          map = select === 1 ? '0F' : select === 2 ? '0F38' : '0F3A'
          p1 = p2
        } else {
          this.#rex = long ? (~p1 >> 5) & 4 : 0
          w = 0
          map = '0F'
        }
        vvvvNumber = (~p1 >> 3) & (long ? 15 : 7)
        if (!long && !(p1 & 0x40)) vvvvNumber = (~p1 >> 3) & 7
        vectorL = (p1 >> 2) & 1
        prefix = (['NP', '66', 'F3', 'F2'] as const)[p1 & 3]!
        opcode = this.#u8()
        if (opcode < 0) return 'more'
        if (w) this.#rex |= 8
      }
    }
    if (!vex && repeat) prefix = repeat === 0xf3 ? 'F3' : 'F2'

    const candidates = this.#table.candidates(map, opcode, vex)
    if (candidates.length === 0) return 'undefined'
    const needsModrm = candidates[0]!.encoding.modrm
    this.#modrm = 0
    if (needsModrm) {
      this.#modrm = this.#u8()
      if (this.#modrm < 0) return 'more'
    }
    const modrm = this.#modrm
    const memory = needsModrm && modrm < 0xc0
    const mandatory = prefix
    let entry: TableEntry | undefined
    let fallback: TableEntry | undefined
    for (const candidate of candidates) {
      const e = candidate.encoding
      if (e.mode === (long ? 'i64' : 'o64')) continue
      if (e.form === (memory ? 'register' : 'memory')) continue
      if (e.noRexB && this.#rex & 1) continue
      if (e.digit !== undefined && e.digit !== ((modrm >> 3) & 7)) continue
      if (e.rm !== undefined && e.rm !== (modrm & 7)) continue
      if (e.rexW !== undefined && e.rexW !== (long || vex ? w : 0)) continue
      if (e.vex) {
        if (e.vex.l !== 'any' && e.vex.l !== vectorL) continue
        if (e.vex.w !== 'any' && e.vex.w !== w) continue
      }
      if (typeof e.size === 'number' && e.size !== this.#operandWidth(mode, operandPrefix, w, e.size)) continue
      if (!this.#allowed(candidate)) continue
      if (e.prefix === undefined) {
        fallback ??= candidate
        continue
      }
      // 66 with F2/F3: the latter is the mandatory one.
      if (e.prefix === mandatory) {
        entry = candidate
        break
      }
    }
    entry ??= fallback
    if (!entry) return 'undefined'
    const { encoding, row } = entry
    // Found out only behind the last byte: the fetch of the rest may fault first.
    const refused = (vex && vvvvNumber !== 0 && !usesVvvv(entry)) || (this.lock && !(row.options.lock && memory))

    let width: Width = encoding.prefix === '66' && !vex
      ? (w ? 64 : 32)
      : (this.#operandWidth(mode, operandPrefix && encoding.prefix !== '66', w, undefined))
    if (long && encoding.size === 'f64') width = 64
    else if (long && encoding.size === 'd64') width = operandPrefix ? 16 : 64
    else if (vex || (encoding.prefix !== undefined && map !== '' && !row.options.string && encoding.prefix !== 'NP')) {
      width = w ? 64 : operandPrefix && encoding.prefix !== '66' ? 16 : 32
    }
    // VEX.W selects 64-bit operands in 64-bit mode only (SDM vol. 2, 2.3.5.5).
    if (vex) width = w && long ? 64 : 32
    const rep: Repeat = row.options.string && repeat ? (repeat === 0xf3 ? 'rep' : 'repne') : 'none'
    const variant = entry.variants[variantKey(width, memory, vectorL === 1, rep)]
    if (!variant) return 'undefined'
    this.variant = variant

    this.rm = 0
    // x87 instructions keep their 11-bit opcode here (SDM vol. 1, 8.1.9).
    this.reg = map === '' && opcode >= 0xd8 && opcode <= 0xdf ? ((opcode & 7) << 8) | modrm : 0
    this.base = this.index = L.ZERO
    this.scale = this.displacement = 0
    this.ripRelative = this.moffs = this.relative = false
    let stackDefault = false
    if (memory) {
      // A vector index needs the SIB byte (SDM vol. 2, 2.3.12).
      if (variant.vsib && (this.addressSize === 16 || (modrm & 7) !== 4)) return 'undefined'
      const more = this.addressSize === 16 ? this.#memory16() : this.#memory32(long, variant.vsib)
      if (more === undefined) return 'more'
      stackDefault = more
    }
    this.segment = override >= 0 ? override : stackDefault ? L.SEG_SS : L.SEG_DS

    this.immediate = 0n
    let position = 0
    for (const operand of variant.operands) {
      switch (operand.kind) {
        case 'gpr': {
          const number = operand.field === 'vvvv' ? vvvvNumber : this.#number(operand.field, needsModrm, opcode)
          this.#setField(operand.field, this.#gprCell(number, operand.width))
          break
        }
        case 'xmm':
          if (operand.field !== 'is4') {
            const number = operand.field === 'vvvv' ? vvvvNumber : this.#number(operand.field, needsModrm, opcode)
            this.#setField(operand.field, L.YMM + number * 32)
          }
          break
        case 'stack':
          this.rm = modrm & 7
          break
        case 'mmx':
          this.#setField(operand.field, L.FPU_REGISTERS + (this.#number(operand.field as 'rm' | 'reg', needsModrm, opcode) & 7) * 16)
          break
        case 'segment': case 'control': case 'debug': {
          const number = ((modrm >> 3) & 7) | (operand.kind === 'segment' ? 0 : (this.#rex & 4) << 1)
          if (operand.kind === 'segment' && number > 5) return 'undefined'
          this.reg = number
          break
        }
        case 'moffs': {
          const value = this.#unsigned(this.addressSize / 8)
          if (value === undefined) return 'more'
          this.moffs = true
          this.immediate = value
          break
        }
        case 'immediate': case 'relative': {
          const value = this.#unsigned(operand.bytes)
          if (value === undefined) return 'more'
          const signed = BigInt.asIntN(operand.bytes * 8, value)
          this.relative = operand.kind === 'relative'
          // A second immediate (ENTER, far pointers, EXTRQ) goes above the first one.
          if (position > 0) this.immediate = BigInt.asUintN(32, this.immediate) | (value << 32n)
          else this.immediate = signed
          position++
          break
        }
      }
    }
    if (variant.operands.some((o) => o.kind === 'xmm' && o.field === 'is4')) {
      const value = this.#unsigned(1)
      if (value === undefined) return 'more'
      this.immediate = BigInt(L.YMM + ((Number(value) >> 4) & (long ? 15 : 7)) * 32)
    }
    return refused ? 'undefined' : 'ok'
  }

  #operandWidth(mode: DecodeMode, prefix: boolean, w: number, _for: number | undefined): Width {
    if (mode.size === 64) return w ? 64 : prefix ? 16 : 32
    return (mode.size === 32) !== prefix ? 32 : 16
  }

  /** LEGACY prefixes before VEX are #UD once the VEX bytes are complete. */
  #undefinedAfterVex(opcode: number): DecodeStatus {
    const needed = opcode === 0xc4 ? 3 : 2
    for (let i = 0; i < needed; i++) if (this.#u8() < 0) return 'more'
    return 'undefined'
  }

  #number(field: 'rm' | 'reg', hasModrm: boolean, opcode: number): number {
    if (!hasModrm) return (opcode & 7) | (this.#rex & 1) << 3
    return field === 'reg' ? ((this.#modrm >> 3) & 7) | (this.#rex & 4) << 1 : (this.#modrm & 7) | (this.#rex & 1) << 3
  }

  #gprCell(number: number, width: Width): number {
    if (width === 8 && number >= 4 && number < 8 && !this.#rex) return L.REGS + (number - 4) * 8 + 1
    return L.REGS + number * 8
  }

  #setField(field: 'rm' | 'reg' | 'vvvv', cell: number): void {
    if (field === 'rm') this.rm = cell
    else if (field === 'reg') this.reg = cell
    else this.vvvv = cell
  }

  /** True when the default segment is SS, undefined when bytes ran out. */
  #memory16(): boolean | undefined {
    const mod = this.#modrm >> 6
    const rm = this.#modrm & 7
    const [base, index] = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]][rm]! as [number, number?]
    if (mod === 0 && rm === 6) {
      const disp = this.#unsigned(2)
      if (disp === undefined) return undefined
      this.displacement = Number(disp)
      return false
    }
    this.base = L.REGS + base * 8
    if (index !== undefined) this.index = L.REGS + index * 8
    if (mod) {
      const disp = this.#unsigned(mod === 1 ? 1 : 2)
      if (disp === undefined) return undefined
      this.displacement = Number(BigInt.asIntN(mod === 1 ? 8 : 16, disp))
    }
    return base === 5
  }

  #memory32(long: boolean, vsib: boolean): boolean | undefined {
    const mod = this.#modrm >> 6
    let base = this.#modrm & 7
    let wide = mod === 2
    let stack = false
    if (base === 4) {
      const sib = this.#u8()
      if (sib < 0) return undefined
      const index = ((sib >> 3) & 7) | (this.#rex & 2) << 2
      if (vsib || index !== 4) {
        this.index = vsib ? L.YMM + index * 32 : L.REGS + index * 8
        this.scale = sib >> 6
      }
      base = sib & 7
      if (base === 5 && mod === 0) wide = true
      else {
        this.base = L.REGS + (base | (this.#rex & 1) << 3) * 8
        stack = !(this.#rex & 1) && (base === 4 || base === 5)
      }
    } else if (base === 5 && mod === 0) {
      wide = true
      this.ripRelative = long
    } else {
      this.base = L.REGS + (base | (this.#rex & 1) << 3) * 8
      stack = !(this.#rex & 1) && base === 5
    }
    if (wide || mod === 1) {
      const disp = this.#unsigned(wide ? 4 : 1)
      if (disp === undefined) return undefined
      this.displacement = Number(BigInt.asIntN(wide ? 32 : 8, disp))
    }
    return stack
  }

  #peek(): number {
    return this.#at < this.#limit ? this.#bytes[this.#at]! : -1
  }

  #u8(): number {
    return this.#at < this.#limit ? this.#bytes[this.#at++]! : -1
  }

  #unsigned(size: number): bigint | undefined {
    if (this.#at + size > this.#limit) {
      this.#at = this.#limit
      return undefined
    }
    let value = 0n
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[this.#at + i]!)
    this.#at += size
    return value
  }

  /** The last decoded instruction, to keep. */
  snapshot(): DecodedInstruction {
    const { length, legacy, lock, addressSize, segment, rm, reg, vvvv, base, index, scale, displacement, ripRelative, moffs, immediate } = this
    return { variant: this.variant!, length, legacy, lock, addressSize, segment, rm, reg, vvvv, base, index, scale, displacement, ripRelative, moffs, immediate }
  }

  /** Writes the decoded instruction as a record. `offset`: of the instruction in its page. `view` covers machine memory. */
  writeRecord(view: DataView, at: number, offset: number): void {
    const variant = this.variant!
    const endOffset = offset + this.length
    let displacement = this.displacement
    let base = this.base
    if (this.ripRelative) {
      displacement += endOffset
      base = L.PAGE_RIP
    }
    if (variant.row.options.addressAfterPop && base === L.REGS + 4 * 8) displacement += variant.width / 8
    const usesAddress = variant.memory || this.moffs
    let address = this.addressSize === 64 ? R.ADDRESS_64 : this.addressSize === 32 ? R.ADDRESS_32 : R.ADDRESS_16
    if (this.legacy) address |= R.ADDRESS_CHECKED
    if (this.moffs) address |= R.ADDRESS_MOFFS
    const flat = !this.legacy && this.segment < L.SEG_FS
    let flags = this.legacy ? R.RECORD_LEGACY : 0
    if (this.segment === L.SEG_SS && (usesAddress || variant.row.options.string)) flags |= R.RECORD_STACK
    if (this.lock) flags |= R.RECORD_LOCK
    view.setUint16(at + R.R_HANDLER, variant.id, true)
    view.setUint8(at + R.R_LENGTH, this.length)
    view.setUint8(at + R.R_ADDRESS, address)
    view.setUint16(at + R.R_RM, this.rm, true)
    view.setUint16(at + R.R_REG, this.reg, true)
    view.setUint16(at + R.R_VVVV, this.vvvv, true)
    view.setUint16(at + R.R_BASE, base, true)
    view.setUint16(at + R.R_INDEX, this.index, true)
    view.setUint16(at + R.R_SEGMENT, flat ? L.ZERO : L.segment(this.segment), true)
    view.setUint16(at + R.R_OFFSET, offset, true)
    view.setUint8(at + R.R_FLAGS, flags)
    view.setUint8(at + R.R_SCALE, this.scale)
    view.setInt32(at + R.R_DISPLACEMENT, displacement, true)
    view.setBigInt64(at + R.R_IMMEDIATE, this.relative ? this.immediate + BigInt(endOffset) : this.immediate, true)
  }
}

const usesVvvv = (entry: TableEntry): boolean => /(^|,)[BH]/.test(entry.row.operands)

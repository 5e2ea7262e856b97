import type { Width } from '../emit/emitter.ts'
import type { Row } from '../instructions/row.ts'
import { parseEncoding } from './encoding.ts'
import type { Encoding, OpcodeMap } from './encoding.ts'
import { resolveOperand } from './operands.ts'
import type { OperandForm } from './operands.ts'

export type Repeat = 'none' | 'rep' | 'repne'

/** One handler's worth of a row: operand size, register or memory form, vector length and REP fixed. */
export interface Variant {
  readonly row: Row
  readonly width: Width
  readonly memory: boolean
  readonly vectorBytes: 16 | 32
  readonly repeat: Repeat
  readonly operands: readonly OperandForm[]
  /** Handler number in the interpreter: hot variants first, so that its jump table is dense. */
  readonly id: number
  /** Belongs in the interpreter's main function. */
  readonly hot: boolean
  /** Immediate bytes behind ModRM and displacement, in order. */
  readonly immediates: readonly number[]
  /** The memory operand's index is a vector register. */
  readonly vsib: boolean
}

/** A row with its parsed encoding and its variants by `variantKey`. */
export interface TableEntry {
  readonly row: Row
  readonly encoding: Encoding
  readonly variants: readonly (Variant | undefined)[]
}

const WIDTHS: readonly Width[] = [16, 32, 64]
const REPEATS: readonly Repeat[] = ['none', 'rep', 'repne']

export const variantKey = (width: Width, memory: boolean, vector256: boolean, repeat: Repeat): number =>
  (width === 16 ? 0 : width === 32 ? 1 : 2) + (memory ? 3 : 0) + (vector256 ? 6 : 0) + REPEATS.indexOf(repeat) * 12

const usesSize = (specs: readonly string[]): boolean => specs.some((s) => /^(?:[EGBRZIJOM][vzy]|Ibs|rAX|eAX)$/.test(s))

export class InstructionTable {
  readonly entries: readonly TableEntry[]
  readonly variants: readonly Variant[]
  readonly #legacy: Record<OpcodeMap, TableEntry[][]>
  readonly #vex: Record<OpcodeMap, TableEntry[][]>
  readonly #firstId: number

  /** `firstId`: handler numbers below are the interpreter's own pseudo instructions. */
  constructor(rows: readonly Row[], firstId: number) {
    this.#firstId = firstId
    const variants: Variant[] = []
    const lists = (): TableEntry[][] => Array.from({ length: 256 }, () => [])
    const maps = (): Record<OpcodeMap, TableEntry[][]> => ({ '': lists(), '0F': lists(), '0F38': lists(), '0F3A': lists() })
    this.#legacy = maps()
    this.#vex = maps()
    this.entries = rows.map((row) => {
      const encoding = parseEncoding(row.encoding)
      const specs = row.operands === '' ? [] : row.operands.split(',')
      const byKey: (Variant | undefined)[] = []
      const sized = row.options.string === true || encoding.size !== undefined || usesSize(specs) || row.operands === ''
      const widths: readonly Width[] = typeof encoding.size === 'number' ? [encoding.size] : sized ? WIDTHS : encoding.rexW === 1 ? [64] : [32]
      const splits = specs.some((s) => /^[EWQ]/.test(s))
      const onlyMemory = encoding.form === 'memory' || specs.some((s) => /^(?:M|vm)/.test(s))
      const memories = encoding.form === 'register' ? [false] : onlyMemory ? [true] : splits ? [false, true] : [false]
      const lengths: readonly (16 | 32)[] = encoding.vex?.l === 1 ? [32] : encoding.vex?.l === 'any' && specs.some((s) => /[xX]$/.test(s)) ? [16, 32] : [16]
      for (const width of widths) for (const memory of memories) for (const bytes of lengths) {
        for (const repeat of row.options.string ? REPEATS : ['none'] as const) {
          const shape = { width, memory, vectorBytes: bytes }
          const operands = specs.map((s) => resolveOperand(s, shape))
          const immediates = operands.flatMap((o) => (o.kind === 'immediate' || o.kind === 'relative' ? [o.bytes] : o.kind === 'xmm' && o.field === 'is4' ? [1] : []))
          const hot = row.options.hot === true && (width !== 16 || !sized) && repeat === 'none'
          const variant: Variant = { row, width, memory, vectorBytes: bytes, repeat, operands, id: 0, hot, immediates, vsib: operands.some((o) => o.kind === 'memory' && o.vsib === true) }
          variants.push(variant)
          byKey[variantKey(width, memory, bytes === 32, repeat)] = variant
          if (widths.length === 1) for (const w of WIDTHS) byKey[variantKey(w, memory, bytes === 32, repeat)] ??= variant
          if (encoding.vex?.l === 'any' && lengths.length === 1) {
            for (const w of WIDTHS) byKey[variantKey(w, memory, true, repeat)] ??= byKey[variantKey(w, memory, false, repeat)]
          }
        }
      }
      const entry: TableEntry = { row, encoding, variants: byKey }
      for (const opcode of encoding.opcodes) (encoding.vex ? this.#vex : this.#legacy)[encoding.map][opcode]!.push(entry)
      return entry
    })
    this.variants = [...variants.filter((v) => v.hot), ...variants.filter((v) => !v.hot)]
    this.variants.forEach((variant, i) => ((variant as { id: number }).id = firstId + i))
  }

  /** The variant of a handler number, undefined for pseudo instructions. */
  byId(id: number): Variant | undefined {
    return this.variants[id - this.#firstId]
  }

  candidates(map: OpcodeMap, opcode: number, vex: boolean): readonly TableEntry[] {
    return (vex ? this.#vex : this.#legacy)[map][opcode]!
  }
}

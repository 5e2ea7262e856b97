import type { CaseBuilder } from './case-builder.ts'
import { CaseBuilder as Builder } from './case-builder.ts'
import type { InstructionForm } from './forms.ts'
import { CODE_DEFAULT } from './layout.ts'
import type { Flavour } from './seed-state.ts'

/** Bytes of a program under construction: what an instruction is depends on where it and the labels it names end up. */
export interface Piece {
  readonly name: string
  /** RFLAGS bits that are undefined behind it. */
  readonly undefinedFlags: number
  bytes(address: number, labels: readonly number[]): readonly number[]
}

export interface Placed {
  readonly address: number
  readonly length: number
  readonly name: string
}

export const le = (value: number | bigint, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn))

export const fixed = (name: string, ...bytes: number[]): Piece => ({ name, undefinedFlags: 0, bytes: () => bytes })

/** MOV register, value in the shortest encoding. */
export function moveImmediate(mode: 64 | 32, register: number, value: bigint): number[] {
  const rex = (w: number): number[] => (mode === 64 && (w || register > 7) ? [0x40 | (w << 3) | (register >> 3)] : [])
  if (value >> 32n === 0n) return [...rex(0), 0xb8 | (register & 7), ...le(value, 4)]
  if (BigInt.asUintN(64, BigInt.asIntN(32, value)) === value) return [...rex(1), 0xc7, 0xc0 | (register & 7), ...le(value, 4)]
  return [...rex(1), 0xb8 | (register & 7), ...le(value, 8)]
}

/** Notes which registers an encoder looked at or set: those have to hold what it saw when the instruction runs. */
class NotingBuilder extends Builder {
  readonly noted: Set<number> = new Set()
  extendedSet = false

  override gpr(index: number): bigint {
    this.noted.add(index)
    return super.gpr(index)
  }

  override setGpr(index: number, value: bigint): void {
    this.noted.add(index)
    super.setGpr(index, value)
  }

  override setExtended(offset: number, value: bigint, size: number): void {
    this.extendedSet = true
    super.setExtended(offset, value, size)
  }

  held(index: number): bigint {
    return super.gpr(index)
  }
}

/** Where the noted registers are loaded: in front of the instruction, in front of the program, or not at all. */
export type Loading = 'before' | 'start' | 'never'

export interface FormPiece extends Piece {
  /** Registers that the start of the program loads for it. */
  readonly start: readonly (readonly [number, bigint])[]
  readonly memory: NonNullable<ReturnType<CaseBuilder['finish']>['memory']>
}

/** A random instruction of a form as a piece of a program; undefined when the draw does not fit into one. */
export function formPiece(form: InstructionForm, seed: number, mode: 64 | 32, loading: Loading): FormPiece | undefined {
  const { fill = 'integer' } = form.flavours[seed % form.flavours.length] as Flavour
  const flavour: Flavour = { mode, fill }
  const build = (address: number): { c: NotingBuilder; code: Uint8Array } => {
    const c = new NotingBuilder(seed, flavour)
    c.codeAddress = address
    return { c, code: form.encode(c) }
  }
  const { c, code } = build(CODE_DEFAULT)
  const testCase = c.finish(code)
  if (c.extendedSet || form.reject?.({ ...testCase, straight: true })) return undefined
  const loads = [...c.noted].map((register) => [register, c.held(register)] as const)
  const before = loading === 'before' ? loads.flatMap(([register, value]) => moveImmediate(mode, register, value)) : []
  const moves = build(CODE_DEFAULT + 1).code.some((byte, i) => byte !== code[i])
  const whole = [...before, ...code]
  return {
    name: form.name,
    undefinedFlags: typeof form.flagsUndefined === 'number' ? form.flagsUndefined : form.flagsUndefined(testCase),
    start: loading === 'start' ? loads : [],
    memory: testCase.memory ?? [],
    bytes: (address) => (moves ? [...before, ...build(address + before.length).code] : whole),
  }
}

/** Sizes settle from below: a branch that has become long stays long. */
export function assemble(start: number, blocks: readonly (readonly Piece[])[]): { code: Uint8Array; labels: number[]; listing: Placed[] } {
  let labels = blocks.map(() => start)
  let sizes: number[][] = blocks.map((block) => block.map(() => 0))
  for (;;) {
    let at = start
    const bytes: number[] = []
    const listing: Placed[] = []
    const found = blocks.map(() => 0)
    const next = blocks.map((block, n) => {
      found[n] = at
      return block.map((piece, i) => {
        const own = [...piece.bytes(at, labels)]
        while (own.length < sizes[n]![i]!) own.push(0x90)
        listing.push({ address: at, length: own.length, name: piece.name })
        bytes.push(...own)
        at += own.length
        return own.length
      })
    })
    if (found.every((address, n) => address === labels[n])) return { code: Uint8Array.from(bytes), labels, listing }
    labels = found
    sizes = next
  }
}

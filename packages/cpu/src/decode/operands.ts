import { CodedError } from '@entresol/kit'
import type { Width } from '../emit/emitter.ts'

/** Where an operand's register number comes from: ModRM.rm (or the opcode), ModRM.reg, VEX.vvvv. */
export type RegisterField = 'rm' | 'reg' | 'vvvv'

/** An operand as one variant of a row has it. Sizes: `width` in bits for integers, `bytes` of memory for vectors. */
export type OperandForm =
  | { readonly kind: 'gpr'; readonly field: RegisterField; readonly width: Width }
  /** `vsib`: the index is a vector register (SDM vol. 2, 2.3.12). */
  | { readonly kind: 'memory'; readonly width: Width; readonly bytes: number; readonly vsib?: true }
  | { readonly kind: 'immediate'; readonly width: Width; readonly bytes: number }
  | { readonly kind: 'relative'; readonly bytes: number; readonly width: Width }
  | { readonly kind: 'moffs'; readonly width: Width; readonly bytes: number }
  | { readonly kind: 'fixed'; readonly number: number; readonly width: Width }
  | { readonly kind: 'constant'; readonly value: number; readonly width: Width }
  | { readonly kind: 'xmm'; readonly field: RegisterField | 'is4'; readonly width: Width }
  /** x87 ST(i): its number i is the operand's value. */
  | { readonly kind: 'stack'; readonly field: 'rm'; readonly width: Width }
  | { readonly kind: 'mmx'; readonly field: RegisterField; readonly width: Width }
  | { readonly kind: 'segment' | 'control' | 'debug'; readonly field: 'reg'; readonly width: Width }

export interface VariantShape {
  /** Operand size for `v`: 16, 32 or 64. */
  readonly width: Width
  readonly memory: boolean
  readonly vectorBytes: 16 | 32
}

const FIXED: Record<string, [number, Width | 'v' | 'z']> = {
  AL: [0, 8], CL: [1, 8], DX: [2, 16], AX: [0, 16], rAX: [0, 'v'], eAX: [0, 'z'],
}

function scalarWidth(size: string, shape: VariantShape): Width {
  switch (size) {
    case 'b': return 8
    case 'w': return 16
    case 'd': return 32
    case 'q': return 64
    case 'z': return shape.width === 16 ? 16 : 32
    case 'y': return shape.width === 64 ? 64 : 32
    default: return shape.width
  }
}

function vectorBytes(size: string, shape: VariantShape): number {
  switch (size) {
    case 'b': return 1
    case 'w': return 2
    case 'd': case 'ss': return 4
    case 'q': case 'sd': return 8
    case 'dq': return 16
    case 'qq': return 32
    case 'hx': return shape.vectorBytes / 2
    case 'fx': return shape.vectorBytes / 4
    case 'ex': return shape.vectorBytes / 8
    default: return shape.vectorBytes
  }
}

/** Resolves one operand specification (`Ev`, `Gb`, `Wdq`, `rAX`, …) for a variant. */
export function resolveOperand(spec: string, shape: VariantShape): OperandForm {
  if (spec === 'ST') return { kind: 'constant', value: 0, width: 32 }
  if (spec === 'ST(i)') return { kind: 'stack', field: 'rm', width: 32 }
  if (spec === '1') return { kind: 'constant', value: 1, width: 8 }
  const fixed = FIXED[spec]
  if (fixed) {
    const width = fixed[1] === 'v' || fixed[1] === 'z' ? scalarWidth(fixed[1], shape) : fixed[1]
    return { kind: 'fixed', number: fixed[0], width }
  }
  // vm32x, vm64y ..: elements addressed by a vector of 32- or 64-bit indices.
  if (/^vm(32|64)[xy]$/.test(spec)) return { kind: 'memory', width: 64, bytes: 8, vsib: true }
  const letter = spec[0]!
  const size = spec.slice(1)
  const width = scalarWidth(size, shape)
  switch (letter) {
    case 'E': return shape.memory ? { kind: 'memory', width, bytes: width / 8 } : { kind: 'gpr', field: 'rm', width }
    case 'G': return { kind: 'gpr', field: 'reg', width }
    case 'B': return { kind: 'gpr', field: 'vvvv', width }
    case 'R': case 'Z': return { kind: 'gpr', field: 'rm', width }
    case 'M': return { kind: 'memory', width, bytes: size === 'dq' ? 16 : width / 8 }
    case 'I': {
      if (size === 'bs') return { kind: 'immediate', width: shape.width, bytes: 1 }
      // Iz with a 64-bit operand is a sign-extended imm32; Iv (MOV) is a full imm64.
      if (size === 'z') return { kind: 'immediate', width: shape.width, bytes: shape.width === 16 ? 2 : 4 }
      return { kind: 'immediate', width, bytes: width / 8 }
    }
    case 'J': return { kind: 'relative', bytes: size === 'b' ? 1 : shape.width === 16 ? 2 : 4, width: shape.width }
    case 'O': return { kind: 'moffs', width, bytes: width / 8 }
    case 'S': return { kind: 'segment', field: 'reg', width: 16 }
    case 'C': return { kind: 'control', field: 'reg', width: 64 }
    case 'D': return { kind: 'debug', field: 'reg', width: 64 }
    case 'V': return { kind: 'xmm', field: 'reg', width: 64 }
    case 'H': return { kind: 'xmm', field: 'vvvv', width: 64 }
    case 'L': return { kind: 'xmm', field: 'is4', width: 64 }
    case 'U': return { kind: 'xmm', field: 'rm', width: 64 }
    case 'W': return shape.memory ? { kind: 'memory', width: 64, bytes: vectorBytes(size, shape) } : { kind: 'xmm', field: 'rm', width: 64 }
    case 'P': return { kind: 'mmx', field: 'reg', width: 64 }
    case 'N': return { kind: 'mmx', field: 'rm', width: 64 }
    case 'Q': return shape.memory ? { kind: 'memory', width: 64, bytes: size === 'd' ? 4 : 8 } : { kind: 'mmx', field: 'rm', width: 64 }
    default: throw new CodedError('bad-instruction-row', `operand "${spec}" is not understood`)
  }
}

import { CodedError } from '@entresol/kit'

export type OpcodeMap = '' | '0F' | '0F38' | '0F3A'
export type MandatoryPrefix = 'NP' | '66' | 'F3' | 'F2'

/** A parsed `Row.encoding`. */
export interface Encoding {
  readonly map: OpcodeMap
  /** Opcodes matched: one, or eight for `+r`. */
  readonly opcodes: readonly number[]
  readonly prefix: MandatoryPrefix | undefined
  readonly vex: { readonly l: 0 | 1 | 'any'; readonly w: 0 | 1 | 'any' } | undefined
  readonly rexW: 0 | 1 | undefined
  /** REX.B must be clear. */
  readonly noRexB: boolean
  readonly modrm: boolean
  readonly digit: number | undefined
  readonly form: 'register' | 'memory' | undefined
  readonly rm: number | undefined
  readonly mode: 'i64' | 'o64' | undefined
  /** Operand size: forced or default 64 in 64-bit mode, or the row is for one size only. */
  readonly size: 'f64' | 'd64' | 16 | 32 | 64 | undefined
}

const bad = (text: string, token: string): CodedError => new CodedError('bad-instruction-row', `encoding "${text}": token "${token}" is not understood`)

export function parseEncoding(text: string): Encoding {
  let prefix: MandatoryPrefix | undefined
  let vex: Encoding['vex']
  let vexMap: OpcodeMap | undefined
  let rexW: 0 | 1 | undefined
  let modrm = false
  let noRexB = false
  let digit: number | undefined
  let form: Encoding['form']
  let rm: number | undefined
  let mode: Encoding['mode']
  let size: Encoding['size']
  let plus = false
  const bytes: number[] = []
  for (const token of text.trim().split(/\s+/)) {
    if (token.startsWith('VEX.')) {
      const [, l, p, map, w] = token.split('.')
      vex = { l: l === '256' || l === 'L1' ? 1 : l === 'LIG' ? 'any' : 0, w: w === 'W0' ? 0 : w === 'W1' ? 1 : 'any' }
      prefix = p as MandatoryPrefix
      vexMap = map as OpcodeMap
    } else if (token === 'NP' || ((token === '66' || token === 'F3' || token === 'F2') && bytes.length === 0 && prefix === undefined)) prefix = token
    else if (token === 'REX.W') rexW = 1
    else if (token === 'W0') rexW = 0
    else if (token === 'REX.B0') noRexB = true
    else if (token === '/r') modrm = true
    else if (/^\/[0-7]$/.test(token)) {
      modrm = true
      digit = Number(token[1])
    } else if (token === 'mod3') form = 'register'
    else if (token === '!mod3') form = 'memory'
    else if (/^rm=[0-7]$/.test(token)) {
      rm = Number(token[3])
      form = 'register'
    } else if (token === 'i64' || token === 'o64') mode = token
    else if (token === 'f64' || token === 'd64') size = token
    else if (/^o(16|32|64)s?$/.test(token)) size = Number(token.slice(1, 3)) as 16 | 32 | 64
    else if (/^[0-9A-F]{2}\+r$/.test(token)) {
      plus = true
      bytes.push(parseInt(token, 16))
    } else if (/^[0-9A-F]{2}$/.test(token)) bytes.push(parseInt(token, 16))
    else throw bad(text, token)
  }
  let map: OpcodeMap = vexMap ?? ''
  const escape = (): number | undefined => bytes[0]
  if (!vex && escape() === 0x0f) {
    map = '0F'
    bytes.shift()
    if (bytes.length > 1 && (escape() === 0x38 || escape() === 0x3a)) map = bytes.shift() === 0x38 ? '0F38' : '0F3A'
  }
  const opcode = bytes[0]
  if (opcode === undefined || bytes.length !== 1) throw bad(text, 'opcode')
  return {
    map, opcodes: plus ? Array.from({ length: 8 }, (_, i) => opcode + i) : [opcode],
    prefix, vex, rexW, noRexB, modrm, digit, form, rm, mode, size,
  }
}

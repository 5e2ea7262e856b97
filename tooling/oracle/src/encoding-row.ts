/** What the generator has to know of an instruction to write its bytes: a plain description, independent of any CPU's table. */
export interface EncodingRow {
  readonly name: string
  readonly map: '0' | '0F' | '0F38' | '0F3A'
  /** Mandatory prefix; `any`: 66 is operand size. */
  readonly prefix: 'any' | 'none' | '66' | 'F3' | 'F2'
  readonly opcode: number
  /** The low three opcode bits are a register. */
  readonly opcodeRegister?: boolean
  readonly modrm: 'none' | 'reg' | 'mem' | 'both'
  /** Fixed reg field. */
  readonly digit?: number
  /** Fixed rm field (with `reg`). */
  readonly rm?: number
  /** Bytes of each immediate; `z` 2 or 4 by operand size, `v` up to 8, `a` by address size (moffs). */
  readonly immediates: readonly (1 | 2 | 4 | 8 | 'z' | 'v' | 'a')[]
  readonly operandSizes: readonly (8 | 16 | 32 | 64)[]
  /** The 64-bit operand size needs no REX.W. */
  readonly default64?: boolean
  /** Always 64 bits in 64-bit mode. 66 is not tried there: AMD CPUs take it for near branches and Intel's ignore it. */
  readonly force64?: boolean
  /** Fixed REX.W. */
  readonly w?: 0 | 1
  readonly modes: readonly (64 | 32)[]
  readonly vex?: { readonly l: 0 | 1 | 'both'; readonly w: 0 | 1 | 'both'; readonly nds: boolean }
  /** Bytes at a memory operand; `v`: the operand size, `x`: 16 or 32 by VEX.L. */
  readonly memory?: number | 'v' | 'x'
  /** Vector index in the SIB byte: bytes per index element. */
  readonly vsib?: 4 | 8
  readonly lock?: boolean
  /** String instruction: RSI and RDI point into the window, REP prefixes are tried. */
  readonly string?: boolean
  /** The ModRM reg field names a segment register. */
  readonly segment?: 'store' | 'load'
  readonly needs: readonly string[]
  readonly undefinedFlags: number
}

/** The part of a CPU's instruction row that is read here; `packages/cpu`'s `Row` has this shape and documents the notation. */
export interface TableRow {
  readonly mnemonic: string
  readonly encoding: string
  readonly operands: string
  readonly options: {
    readonly lock?: true
    readonly feature?: string
    readonly undefined?: number
    readonly string?: true
    readonly unobservable?: true
  }
}

// Their operand size is nowhere in the operands.
const WITHOUT_OPERANDS = /^(CBW|CWD|CWDE|CDQE?|CQO|LEAVE|ENTER|PUSHA|POPA|PUSHF|POPF|IRET|RETF?)\b/

type Build = { -readonly [K in keyof EncodingRow]: EncodingRow[K] } & { stackRegister?: boolean }

const SIZES: Record<string, number | 'v' | 'x'> = { b: 1, w: 2, d: 4, q: 8, dq: 16, qq: 32, x: 'x', v: 'v', z: 'v', y: 'v', t: 10, ps: 'x', pd: 'x', ss: 4, sd: 8, bs: 1 }

/** Reads SDM notation (`0F 38 F0 /r`, `VEX.128.66.0F38.W0 18 /r`) and operand letters (`Ev, Gv, Ib`). */
export function encodingRow(row: TableRow): EncodingRow {
  const tokens = row.encoding.trim().split(/\s+/)
  const operands = row.operands.split(',').map((operand) => operand.trim()).filter(Boolean)
  const out: Build = {
    name: `${row.mnemonic}${operands.length ? ` ${operands.join(', ')}` : ''} [${row.encoding}]`,
    map: '0', prefix: 'any', opcode: -1, modrm: 'none', immediates: [], operandSizes: [32], modes: [64, 32],
    needs: row.options.feature ? [row.options.feature] : [], undefinedFlags: row.options.undefined ?? 0,
  }
  if (row.options.lock) out.lock = true
  if (row.options.string || /^(MOVS|CMPS|STOS|LODS|SCAS)[BWDQ]?$/.test(row.mnemonic)) out.string = true
  const fixedSizes = readTokens(tokens, out, operands)
  readOperands(operands, out)
  out.operandSizes = fixedSizes ?? operandSizes(operands, out)
  if (/GATHER/.test(row.mnemonic)) out.vsib = /GATHERD/.test(row.mnemonic) ? 4 : 8
  return out
}

function readTokens(tokens: readonly string[], out: Build, operands: readonly string[]): (8 | 16 | 32 | 64)[] | undefined {
  const bytes: number[] = []
  let sizes: (8 | 16 | 32 | 64)[] | undefined
  for (const token of tokens) {
    const plus = /^([0-9A-F]{2})\+[ri]$/.exec(token)
    if (token.startsWith('VEX.')) readVex(token, out, operands)
    else if (token === 'NP') out.prefix = 'none'
    else if (/^(66|F3|F2)$/.test(token) && bytes.length === 0 && !out.vex) out.prefix = token as '66' | 'F3' | 'F2'
    else if (plus) {
      bytes.push(parseInt(plus[1] as string, 16))
      if (token.endsWith('r')) out.opcodeRegister = true
      else out.stackRegister = true
    } else if (token === 'B0' && bytes[0] === 0x90) continue // REX.B clear, not an opcode byte
    else if (/^[0-9A-F]{2}$/.test(token)) bytes.push(parseInt(token, 16))
    else if (token === '/r') out.modrm = 'both'
    else if (/^\/[0-7]$/.test(token)) [out.modrm, out.digit] = ['both', Number(token[1])]
    else if (token === 'mod3') out.modrm = 'reg'
    else if (token === '!mod3') out.modrm = 'mem'
    else if (token.startsWith('rm=')) out.rm = Number(token.slice(3))
    else if (token === 'REX.W') out.w = 1
    else if (token === 'W0') out.w = 0
    else if (token === 'i64') out.modes = [32]
    else if (token === 'o64') out.modes = [64]
    else if (token === 'o16') sizes = [16]
    else if (token === 'o32') sizes = [32]
    else if (/^o64s?$/.test(token)) sizes = [64]
    else if (token === 'd64') out.default64 = true
    else if (token === 'f64') out.default64 = out.force64 = true
  }
  // 9B is FWAIT or an opcode of its own; 90 after F3 is PAUSE: both stay in map 0.
  const first = bytes[0]
  if (!out.vex && first === 0x0f) {
    bytes.shift()
    out.map = '0F'
    const escape = bytes[0] as number
    if (bytes.length > 1 && (escape === 0x38 || escape === 0x3a)) {
      bytes.shift()
      out.map = escape === 0x38 ? '0F38' : '0F3A'
    }
  }
  out.opcode = bytes[0] ?? -1
  // A second opcode byte is a fixed ModRM (x87, 0F 01 xx).
  const second = bytes[1]
  if (second !== undefined && out.modrm === 'none') [out.modrm, out.digit, out.rm] = ['reg', (second >> 3) & 7, second & 7]
  if (out.stackRegister) delete out.rm
  return sizes
}

function readVex(token: string, out: Build, operands: readonly string[]): void {
  const [, length, prefix, map, w] = token.split('.')
  out.map = map as EncodingRow['map']
  out.prefix = prefix === 'NP' ? 'none' : (prefix as EncodingRow['prefix'])
  out.vex = {
    l: length === '256' || length === 'L1' ? 1 : length === 'LIG' ? 'both' : 0,
    w: w === 'W1' ? 1 : w === 'W0' ? 0 : 'both',
    nds: operands.some((operand) => /^[HB]/.test(operand)),
  }
}

function readOperands(operands: readonly string[], out: Build): void {
  const immediates: EncodingRow['immediates'][number][] = []
  for (const operand of operands) {
    const size = operand.slice(1)
    if (/^[IJ][a-z]/.test(operand)) {
      immediates.push(size.startsWith('b') ? 1 : size === 'w' ? 2 : size === 'd' ? 4 : size === 'v' ? 'v' : size === 'q' ? 8 : 'z')
    } else if (/^O/.test(operand)) immediates.push('a')
    else if (/^L/.test(operand)) immediates.push(1)
    else if (/^A[pd]/.test(operand)) immediates.push('z', 2)
    else if (/^[EMWQR][a-z]*$/.test(operand) || /^[UN][a-z]/.test(operand)) {
      if (/^[RUN]/.test(operand) && out.modrm === 'both') out.modrm = 'reg'
      if (/^M/.test(operand) && out.modrm === 'both') out.modrm = 'mem'
      out.memory = SIZES[size] ?? 16
    } else if (/^vm(32|64)[xy]$/.test(operand)) {
      out.modrm = 'mem'
      out.memory = 4
      out.vsib = operand.startsWith('vm32') ? 4 : 8
    } else if (operand === 'Sw') out.segment = operands[0] === 'Sw' ? 'load' : 'store'
  }
  out.immediates = immediates
}

function operandSizes(operands: readonly string[], out: Build): (8 | 16 | 32 | 64)[] {
  if (out.vex || out.prefix !== 'any') {
    const wide = operands.some((operand) => /^[EGRBM]y$/.test(operand)) && out.w === undefined && !out.vex
    const any = operands.some((operand) => /^[EGRM]v$/.test(operand)) && !out.vex
    return any ? [16, 32, 64] : wide ? [32, 64] : out.w === 1 ? [64] : [32]
  }
  if (out.w === 1) return [64]
  if (out.default64 || WITHOUT_OPERANDS.test(out.name)) return [16, 32, 64]
  if (operands.some((operand) => /v$|v\)|z$/.test(operand) || /^[re]AX$/.test(operand))) return out.w === 0 ? [16, 32] : out.default64 ? [16, 32, 64] : [16, 32, 64]
  if (operands.some((operand) => /^[A-Z]y/.test(operand))) return [32, 64]
  if (out.string) return out.opcode & 1 ? [16, 32, 64] : [8]
  return operands.some((operand) => /^[A-Z]bs?$|^AL$/.test(operand)) ? [8] : [32]
}

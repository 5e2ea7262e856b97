import type { CaseBuilder } from './case-builder.ts'
import type { TestCase } from './case.ts'
import { encodeRow } from './encode.ts'
import type { EncodingRow, TableRow } from './encoding-row.ts'
import { encodingRow } from './encoding-row.ts'
import type { Fill } from './interesting.ts'
import type { Flavour } from './seed-state.ts'

/** One instruction form the generator can make cases of. */
export interface InstructionForm {
  readonly name: string
  /** Forms of one family share a vector file. */
  readonly family: string
  readonly mode: 64 | 32
  /** CPU features, as /proc/cpuinfo spells them. */
  readonly needs: readonly string[]
  /** State flavours to rotate through. */
  readonly flavours: readonly Flavour[]
  /** Bits of RFLAGS the manuals leave undefined. */
  readonly flagsUndefined: number | ((testCase: TestCase) => number)
  /** Code bytes; may override registers and memory of the case. */
  readonly encode: (c: CaseBuilder) => Uint8Array
  /** Exactly one instruction that falls through and leaves TF alone. */
  readonly straight: boolean
  /** True for cases whose outcome is not architectural (undefined results). */
  readonly reject?: (testCase: TestCase) => boolean
}

/** Privileged by environment, timing, random or unknown to user mode: never recorded. UMIP's five are emulated by Linux. */
const EXCLUDED = /^(SYSCALL|SYSENTER|SYSEXIT|SYSRET|CPUID|RDTSCP?|RDPMC|RDRAND|RDSEED|RDPID|RDPKRU|WRPKRU|XGETBV|XSAVE\w*|XRSTOR\w*|FXSAVE\w*|FXRSTOR\w*|SGDT|SIDT|SMSW|SLDT|STR|LAR|LSL|VERR|VERW|MONITORX?|MWAITX?|UMONITOR|UMWAIT|TPAUSE|INT1|ICEBP|VMMCALL|VMCALL|V?RCP[PS]S|V?RSQRT[PS]S|XBEGIN|XEND|XABORT|XTEST|CLZERO|FSTENV|FNSTENV|FSAVE|FNSAVE|INCSSP\w*|RDSSP\w*)$/
const BRANCHES = /^(J[A-Z]*|CALL\w*|RET\w*|LOOP\w*|INT\w*|IRET\w*|UD[012B]|POPF\w?|HLT)$/

function fills(row: TableRow): Fill[] {
  const name = row.mnemonic
  if (/(?:[PS]D|F128)$|PD2|SD2|2PD|2SD/.test(name) && !/^(MOVS|CMPS|SCAS|STOS|LODS)D$/.test(name)) return ['f64', 'integer']
  if (/(?:PS|SS)$|PS2|SS2|2PS|2SS/.test(name)) return ['f32', 'integer']
  return ['integer', 'bytes']
}

function flavoursOf(row: TableRow, encoding: EncodingRow, mode: 64 | 32): Flavour[] {
  const x87 = encoding.map === '0' && encoding.opcode >= 0xd8 && encoding.opcode <= 0xdf && !encoding.vex
  const operands = row.operands.split(',').map((operand) => operand.trim())
  if (x87 || row.mnemonic === 'FWAIT') return [{ mode, x87: true, fill: 'f80' }, { mode, x87: true, fill: 'f64' }, { mode, x87: true, fill: 'f32' }, { mode, x87: true }]
  const mmx = operands.some((operand) => /^[PQN]/.test(operand)) || row.mnemonic === 'EMMS'
  const vector = encoding.vex ? !/^[BG]/.test(operands[0] ?? '') || operands.some((o) => /^[VWUH]/.test(o)) : operands.some((operand) => /^[VWU]/.test(operand)) || /MXCSR/.test(row.mnemonic)
  const float = /(?:P|S)[SD]$|CVT|MXCSR/.test(row.mnemonic)
  if (mmx) return fills(row).map((fill) => ({ mode, x87: true, fill, quietControls: true, ...(vector ? { sse: true } : {}) }))
  if (!vector) return [{ mode }]
  // 128-bit instructions run with a full YMM too: legacy SSE keeps the upper half, VEX clears it.
  const base = { mode, sse: true, ...(float ? {} : { quietControls: true }) }
  return fills(row).flatMap((fill) => encoding.vex ? [{ ...base, fill, avx: true }] : [{ ...base, fill }, { ...base, fill }, { ...base, fill, avx: true }])
}

const FAMILY: readonly (readonly [RegExp, string])[] = [[/^AES|^PCLMUL|^SHA|^VAES|^VPCLMUL|^CRC32/, 'crypto']]

function familyOf(row: TableRow, encoding: EncodingRow, flavour: Flavour): string {
  for (const [pattern, family] of FAMILY) if (pattern.test(row.mnemonic)) return family
  if (encoding.vex) return flavour.avx ? `avx-${encoding.map.toLowerCase()}` : 'bmi'
  if (flavour.x87) return flavour.quietControls ? 'mmx' : 'x87'
  if (flavour.sse) return `sse-${encoding.map.toLowerCase()}`
  return encoding.map === '0' ? 'integer' : 'integer-0f'
}

/** Forms of one table row: one per mode it exists in; none when it cannot be observed. */
export function formsOfRow(row: TableRow): InstructionForm[] {
  if (row.options.unobservable || EXCLUDED.test(row.mnemonic)) return []
  const encoding = encodingRow(row)
  if (encoding.opcode < 0) return []
  return encoding.modes.map((mode) => {
    const flavours = flavoursOf(row, encoding, mode)
    return {
      name: `${encoding.name} ${mode}`,
      family: familyOf(row, encoding, flavours[0] as Flavour),
      mode,
      needs: encoding.needs,
      flavours,
      flagsUndefined: encoding.undefinedFlags,
      straight: !BRANCHES.test(row.mnemonic),
      encode: (c) => {
        implicitOperands(c, row.mnemonic)
        return encodeRow(c, encoding)
      },
      reject: (testCase) => notArchitectural(row.mnemonic, testCase),
    }
  })
}

function implicitOperands(c: CaseBuilder, mnemonic: string): void {
  const window = (): bigint => BigInt(0x0020_0100 + 8 * c.random.below(0x300))
  if (/^(LEAVE|ENTER)/.test(mnemonic)) c.setGpr(5, window())
  if (/^XLAT/.test(mnemonic)) c.setGpr(3, window())
  if (/^V?MASKMOV(Q|DQU)$/.test(mnemonic)) c.setGpr(7, window())
  // Stack instructions fault at the window's lower end now and then.
  if (/^(PUSH|CALL|ENTER|POP|RET|LEAVE|IRET)/.test(mnemonic) && c.random.oneIn(16)) c.setGpr(4, BigInt(c.random.pick([0x0020_0000, 0x0020_0004, 0x0020_1fff, 0x0020_2000, 0x0020_1ffc])))
  if (/^(RET|POP|IRET|LEAVE)/.test(mnemonic)) c.memoryOperand(Math.min(Number(c.gpr(4) & 0x3fffffn), 0x0020_1fe0), 32)
  // Only divisions that do not overflow say much; make the high half small most of the time.
  if (/^I?DIV$/.test(mnemonic) && !c.random.oneIn(4)) c.setGpr(2, c.random.oneIn(2) ? 0n : c.gpr(0) >> 63n ? -1n : BigInt(c.random.below(4)))
}

function notArchitectural(mnemonic: string, testCase: TestCase): boolean {
  const { code } = testCase
  const last = code[code.length - 1] ?? 0
  if (mnemonic === 'INT') return last === 0x80
  // SHLD and SHRD of a word by more than 16: the result is undefined (SDM vol. 2).
  if (/^SH[LR]D$/.test(mnemonic) && code.includes(0x66)) return ((code.includes(0xa4) || code.includes(0xac) ? last : Number((testCase.gpr[1] as bigint) & 0xffn)) & 31) > 16
  // Single-stepped gathers trap between elements (SDM vol. 2, VPGATHERDD): only whole ones are compared.
  if (/GATHER/.test(mnemonic)) return !testCase.straight
  // BSWAP of a word: undefined.
  if (mnemonic === 'BSWAP') return code.includes(0x66)
  return false
}


import { EXT_FSW, EXT_FTW, EXT_YMM, EXTENDED_DEFAULT } from '@entresol/oracle'
import type { MemoryPiece, Outcome } from '@entresol/oracle'
import { describe, expect, it } from 'vitest'
import { INSTRUCTIONS } from '../../src/instructions/index.ts'
import * as L from '../../src/state/layout.ts'
import { createBench, enterLongMode } from '../support/bench.ts'
import { SoftwareSubject } from '../support/subject.ts'

const subject = new SoftwareSubject()
const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (byte) => parseInt(byte, 16))
const hex = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('')

interface Given {
  /** Registers by number, low bytes first. */
  readonly ymm?: Record<number, string | Uint8Array>
  readonly gpr?: Record<number, bigint>
  readonly memory?: readonly MemoryPiece[]
  readonly mode?: 64 | 32
}

function run(code: string, { ymm = {}, gpr = {}, memory = [], mode = 64 }: Given = {}): Outcome {
  const extended = EXTENDED_DEFAULT.slice()
  for (const [n, value] of Object.entries(ymm)) extended.set(typeof value === 'string' ? bytes(value) : value, EXT_YMM + 32 * Number(n))
  const registers = new BigUint64Array(16)
  for (const [n, value] of Object.entries(gpr)) registers[Number(n)] = value
  return subject.run({ mode, code: bytes(code), gpr: registers, rflags: 0x202, extended, memory, straight: true })
}
const ymm = (outcome: Outcome, n: number): Uint8Array => outcome.extended.subarray(EXT_YMM + 32 * n, EXT_YMM + 32 * n + 32)
const xmm = (outcome: Outcome, n: number): Uint8Array => ymm(outcome, n).subarray(0, 16)
/** Two-operand instruction xmm0, xmm1. */
const binary = (code: string, a: string | Uint8Array, b: string | Uint8Array, xmm2: string | Uint8Array = ''): Uint8Array =>
  xmm(run(code, { ymm: { 0: a, 1: b, 2: xmm2 } }), 0).slice()

const A = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
const ONES = 'ff'.repeat(32)
const DATA = 0x20_0000n

describe('AES (FIPS 197)', () => {
  it('enciphers the example of appendix B with the key schedule of appendix A.1', () => {
    let key = bytes('2b7e151628aed2a6abf7158809cf4f3c')
    let state = binary('660fefc1', bytes('3243f6a8885a308d313198a2e0370734'), key)
    for (let round = 1, constant = 1; round <= 10; round++, constant = constant << 1 ^ (constant & 0x80 ? 0x11b : 0)) {
      // AESKEYGENASSIST gives the word to add in its highest doubleword; each word of the key then adds the one before.
      const assist = binary(`660f3adfc1${constant.toString(16).padStart(2, '0')}`, '', key)
      const next = key.slice()
      for (let i = 0; i < 16; i++) next[i] = key[i]! ^ (i < 4 ? assist[12 + i]! : next[i - 4]!)
      key = next
      state = binary(round < 10 ? '660f38dcc1' : '660f38ddc1', state, key)
    }
    expect(hex(key)).toBe('d014f9a8c9ee2589e13f0cc8b6630ca6')
    expect(hex(state)).toBe('3925841d02dc09fbdc118597196a0b32')
  })

  it('deciphers what it enciphered', () => {
    const key = bytes('d014f9a8c9ee2589e13f0cc8b6630ca6')
    const plain = bytes('00112233445566778899aabbccddeeff')
    const enciphered = binary('660f38dcc1', plain, key)
    // The equivalent inverse cipher: remove the key, undo MixColumns, then undo ShiftRows and SubBytes.
    const unmixed = binary('660f38dbc1', '', binary('660fefc1', enciphered, key))
    expect(hex(binary('660f38dfc1', unmixed, new Uint8Array(16)))).toBe(hex(plain))
  })
})

describe('SHA (FIPS 180-4)', () => {
  const words = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)
  const fromBytes = (data: Uint8Array): number[] => [...new Uint32Array(data.slice().buffer)]
  const BLOCK = [0x61626380, ...new Array<number>(14).fill(0), 24]

  it('SHA-256 of "abc"', () => {
    const primes: number[] = []
    for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p !== 0)) primes.push(n)
    const K = primes.map((p) => Math.floor((Math.cbrt(p) % 1) * 2 ** 32) >>> 0)
    const H = primes.slice(0, 8).map((p) => Math.floor((Math.sqrt(p) % 1) * 2 ** 32) >>> 0)
    const W = BLOCK.slice()
    for (let t = 16; t < 64; t += 4) {
      const first = binary('0f38ccc1', words(W.slice(t - 16, t - 12)), words(W.slice(t - 12, t - 8)))
      const sum = fromBytes(first).map((w, i) => (w + W[t - 7 + i]!) >>> 0)
      W.push(...fromBytes(binary('0f38cdc1', words(sum), words(W.slice(t - 4, t)))))
    }
    let [abef, cdgh] = [words([H[5]!, H[4]!, H[1]!, H[0]!]), words([H[7]!, H[6]!, H[3]!, H[2]!])]
    for (let t = 0; t < 64; t += 2) {
      const k = words([(W[t]! + K[t]!) >>> 0, (W[t + 1]! + K[t + 1]!) >>> 0])
      const next = xmm(run('0f38cbca', { ymm: { 0: k, 1: cdgh, 2: abef } }), 1).slice()
      ;[abef, cdgh] = [next, abef]
    }
    const [f, e, b, a] = fromBytes(abef) as [number, number, number, number]
    const [h, g, d, c] = fromBytes(cdgh) as [number, number, number, number]
    const digest = [a, b, c, d, e, f, g, h].map((v, i) => ((v + H[i]!) >>> 0).toString(16).padStart(8, '0')).join('')
    expect(digest).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('SHA-1 of "abc"', () => {
    const H = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
    const reversed = (from: number): Uint8Array => words(W.slice(from, from + 4).reverse())
    const W = BLOCK.slice()
    for (let t = 16; t < 80; t += 4) {
      const first = binary('0f38c9c1', reversed(t - 16), reversed(t - 12))
      const mixed = binary('660fefc1', first, reversed(t - 8))
      W.push(...fromBytes(binary('0f38cac1', mixed, reversed(t - 4))).reverse())
    }
    let abcd = words([H[3]!, H[2]!, H[1]!, H[0]!])
    let before: Uint8Array | undefined
    for (let t = 0; t < 80; t += 4) {
      const first = words(fromBytes(reversed(0)).map((w, i) => (i === 3 ? (w + H[4]!) >>> 0 : w)))
      const e = before ? binary('0f38c8c1', before, reversed(t)) : first
      const next = binary(`0f3accc10${Math.floor(t / 20)}`, abcd, e)
      ;[before, abcd] = [abcd, next]
    }
    const e = fromBytes(binary('0f38c8c1', before!, new Uint8Array(16)))[3]!
    const [d, c, b, a] = fromBytes(abcd) as [number, number, number, number]
    const digest = [a, b, c, d, e].map((v, i) => ((v + H[i]!) >>> 0).toString(16).padStart(8, '0')).join('')
    expect(digest).toBe('a9993e364706816aba3e25717850c26c9cd0d89d')
  })
})

it('PCLMULQDQ multiplies polynomials over GF(2), choosing quadwords by imm[0] and imm[4]', () => {
  const [a, b] = ['0807060504030201ffeeddccbbaa9988', '1122334455667788f0debc9a78563412']
  const quadword = (text: string, high: boolean): bigint => new DataView(bytes(text).buffer).getBigUint64(high ? 8 : 0, true)
  for (const imm of [0x00, 0x01, 0x10, 0x11]) {
    let product = 0n
    for (let bit = 0n; bit < 64n; bit++) if (quadword(b, imm >= 0x10) >> bit & 1n) product ^= quadword(a, (imm & 1) === 1) << bit
    const expected = Uint8Array.from({ length: 16 }, (_, i) => Number(product >> BigInt(8 * i) & 0xffn))
    expect(hex(binary(`660f3a44c1${imm.toString(16).padStart(2, '0')}`, a, b))).toBe(hex(expected))
  }
})

describe('string comparison (SDM vol. 2, 4.1)', () => {
  const text = (s: string): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => s.charCodeAt(i) || 0)
  it('PCMPISTRI finds the end of a string with equal each, negated', () => {
    const outcome = run('660f3a63c118', { ymm: { 0: text('abcd'), 1: text('abXd') } })
    expect(outcome.gpr[1]).toBe(2n)
  })
  it('PCMPISTRI finds a character of a range, and says that both strings end', () => {
    const outcome = run('660f3a63c104', { ymm: { 0: text('az'), 1: text('ABCx') } })
    expect(outcome.gpr[1]).toBe(3n)
    expect(outcome.rflags & L.FLAGS_ARITHMETIC).toBe(L.FLAG_CF | L.FLAG_ZF | L.FLAG_SF)
  })
  it('PCMPESTRI takes lengths from EAX and EDX and gives the element count when nothing is found', () => {
    const outcome = run('660f3a61c10c', { ymm: { 0: text('needle'), 1: text('hay') }, gpr: { 0: 6n, 2: 3n } })
    expect(outcome.gpr[1]).toBe(16n)
  })
})

describe('registers and memory', () => {
  it('legacy instructions keep the upper half of YMM, VEX.128 clears it (SDM vol. 1, 14.1.5)', () => {
    expect(hex(ymm(run('660fefc1', { ymm: { 0: ONES, 1: A } }), 0))).toBe('fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0' + 'ff'.repeat(16))
    expect(hex(ymm(run('c5f9efc1', { ymm: { 0: ONES, 1: A } }), 0))).toBe('fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0' + '00'.repeat(16))
  })

  it('legacy 16-byte operands must be aligned but for MOVDQU; VEX operands only in MOVDQA (SDM vol. 1, 14.9)', () => {
    const at = (code: string): unknown => run(code, { gpr: { 0: DATA + 1n } }).fault
    const refused = { vector: 13, errorCode: 0 }
    expect([at('660fef00'), at('660f6f00'), at('c5f96f00')]).toEqual([refused, refused, refused])
    expect([at('f30f6f00'), at('c5f9ef00')]).toEqual([undefined, undefined])
  })

  it('MMX instructions set TOP to 0 and validate every register, EMMS empties them (SDM vol. 1, 9.5.1)', () => {
    const after = run('0ffcc1')
    expect([after.extended[EXT_FSW + 1]! & 0x38, after.extended[EXT_FTW]]).toEqual([0, 0xff])
    expect(run('0f77').extended[EXT_FTW]).toBe(0)
  })

  it('an MMX instruction whose memory operand faults leaves the x87 state alone', () => {
    const outcome = run('0ffc00', { gpr: { 0: 0x10n } })
    expect(outcome.fault?.vector).toBe(14)
    expect(outcome.extended[EXT_FTW]).toBe(0)
  })

  it('VZEROUPPER reaches eight registers outside 64-bit mode', () => {
    const all = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [n, ONES]))
    const outcome = run('c5f877', { ymm: all, mode: 32 })
    expect([hex(ymm(outcome, 7)), hex(ymm(outcome, 8))]).toEqual(['ff'.repeat(16) + '00'.repeat(16), ONES])
  })

  it('VPMASKMOVD does not touch masked-out elements', () => {
    // The last eight bytes before the guard page: two elements of four.
    const memory = [{ address: 0x20_1ff8, bytes: bytes('1122334455667788') }]
    const outcome = run('c4e2718c00', { ymm: { 1: '00000080 000000ff 0000007f 00000000' }, gpr: { 0: DATA + 0x1ff8n }, memory })
    expect(outcome.fault).toBeUndefined()
    expect(hex(xmm(outcome, 0))).toBe('1122334455667788' + '00'.repeat(8))
  })

  it('a masked store to a non-canonical stack address is #SS(0) (SDM vol. 3, 7.15, interrupt 12)', () => {
    // VMASKMOVPS [rbp], ymm1, ymm0
    expect(run('c4e2752e4500', { ymm: { 1: ONES }, gpr: { 5: 1n << 63n } }).fault).toEqual({ vector: 12, errorCode: 0 })
  })

  it('a gather that faults keeps what it has and clears the mask of what is done (SDM vol. 2, VPGATHERDD)', () => {
    const memory = [{ address: 0x20_0000, bytes: bytes('aabbccdd') }]
    const outcome = run('c4e269900408', { ymm: { 0: ONES, 1: '00000000 00000000 00000010 00000000', 2: ONES }, gpr: { 0: DATA }, memory })
    expect(outcome.fault?.vector).toBe(14)
    expect(hex(xmm(outcome, 0))).toBe('aabbccddaabbccddffffffffffffffff')
    expect(hex(xmm(outcome, 2))).toBe('0000000000000000ffffffffffffffff')
  })
})

describe('units (SDM vol. 3, 2.5 and 14.1)', () => {
  const vectorOf = (code: string, change: (state: ReturnType<typeof createBench>['cpu']['state']) => void): number => {
    const bench = createBench({ bytes: 4 << 20, codeCacheBytes: 1 << 20 })
    bench.load(0x5000, bytes(code))
    enterLongMode(bench, 0x5000)
    const { cpu } = bench
    cpu.state.setU64(L.CR4, cpu.state.u64(L.CR4) | 1n << 18n)
    cpu.state.setU64(L.XCR0, 7n)
    change(cpu.state)
    cpu.modeChanged()
    cpu.intercepts.exceptions = -1
    cpu.interceptsChanged()
    const exit = cpu.run(1)
    return exit.reason === 'intercept' && exit.event.kind === 'exception' ? exit.event.vector : -1
  }
  const PADDB_MMX = '0ffcc1'
  const PADDB_SSE = '660ffcc1'
  const PADDB_AVX = 'c5f9fcc1'

  it('run when enabled', () => {
    for (const code of [PADDB_MMX, PADDB_SSE, PADDB_AVX]) expect(vectorOf(code, () => {})).toBe(-1)
  })
  it('CR0.TS is #NM for all three', () => {
    for (const code of [PADDB_MMX, PADDB_SSE, PADDB_AVX]) expect(vectorOf(code, (s) => s.setU64(L.CR0, s.u64(L.CR0) | 8n))).toBe(7)
  })
  it('CR0.EM is #UD for MMX and SSE', () => {
    for (const code of [PADDB_MMX, PADDB_SSE]) expect(vectorOf(code, (s) => s.setU64(L.CR0, s.u64(L.CR0) | 4n))).toBe(6)
  })
  it('CR4.OSFXSR clear is #UD for SSE, XCR0 without AVX is #UD for VEX', () => {
    expect(vectorOf(PADDB_SSE, (s) => s.setU64(L.CR4, s.u64(L.CR4) & ~0x200n))).toBe(6)
    expect(vectorOf(PADDB_AVX, (s) => s.setU64(L.XCR0, 3n))).toBe(6)
  })
})

it('forms whose feature CPUID does not announce are undefined', () => {
  const features = new Set(INSTRUCTIONS.flatMap((r) => r.options.feature ?? []).filter((f) => f !== 'avx2'))
  const model = { ...createBench({ bytes: 4 << 20, codeCacheBytes: 1 << 20 }).cpu.model, features }
  const bench = createBench({ bytes: 4 << 20, codeCacheBytes: 1 << 20, model })
  // VPADDB ymm0, ymm0, ymm1
  bench.load(0x5000, bytes('c5fdfcc1'))
  enterLongMode(bench, 0x5000)
  bench.cpu.intercepts.exceptions = -1
  bench.cpu.interceptsChanged()
  expect(bench.cpu.run(1)).toMatchObject({ reason: 'intercept', event: { vector: 6 } })
})

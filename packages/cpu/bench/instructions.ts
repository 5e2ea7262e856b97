import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBench, enterLongMode } from '../test/support/bench.ts'
import * as L from '../src/state/layout.ts'

/**
 * What one instruction costs in translated code: a loop of 50 copies of each, processor time per copy in ns, least of `rounds`. Copies
 * depend on one another where they write what they read. Needs GNU as and objcopy.
 *
 *     node packages/cpu/bench/instructions.ts [name part] [rounds]
 */
const [pattern = '', rounds = '5'] = process.argv.slice(2)

/** Instruction in GNU syntax (Intel operands), what runs before the loop, what runs once a turn before the copies. */
type Case = readonly [text: string, setup?: string, turn?: string]

/** rbx points to 64 KiB of data. */
const INTEGER: readonly Case[] = [
  ['add rax, rdx'], ['mov rax, [rbx]'], ['mov [rbx], rax'], ['add [rbx], rax'], ['adc rax, rdx'], ['inc eax'], ['lea rax, [rdx + rsi * 4 + 8]'],
  ['imul rax, rdx'], ['imul eax, edx'], ['mul rdx'], ['mul edx'], ['imul rdx'], ['mulx rax, rsi, rdi'],
  ['div ebp', 'mov eax, 1234567; mov edx, 0; mov ebp, 1'], ['div rbp', 'mov eax, 1234567; mov edx, 0; mov ebp, 1'],
  ['idiv rbp', 'mov eax, 1234567; mov edx, 0; mov ebp, 1'], ['div bpl', 'mov eax, 123; mov ebp, 1'],
  ['mov edx, 5; div rbp', 'mov rbp, -3'],
  ['bsf rax, rdx'], ['bsr rax, rdx'], ['tzcnt rax, rdx'], ['lzcnt rax, rdx'], ['popcnt rax, rdx'], ['popcnt eax, edx'],
  ['bt rax, rdx'], ['bt [rbx], eax', 'mov eax, 1000'], ['bts [rbx], eax', 'mov eax, 1000'], ['bts rax, 5'], ['bt eax, 5; jc 9f; 9:'],
  ['shl rax, 3'], ['shl rax, cl', 'mov ecx, 3'], ['sar eax, 3'], ['shld rax, rdx, 5'], ['shrd eax, edx, cl', 'mov ecx, 3'], ['rol rax, 7'], ['ror eax, cl', 'mov ecx, 3'],
  ['rcl rax, 1'], ['rcr eax, 1'], ['rcl rax, cl', 'mov ecx, 3'], ['cmovz rax, rdx'], ['setz al'], ['xchg rax, rdx'], ['xchg [rbx], rax'], ['xadd [rbx], rax'],
  ['cmpxchg [rbx], rdx'], ['lock cmpxchg [rbx], rdx'], ['lock add [rbx], rax'], ['cmpxchg8b [rbx]'], ['cmpxchg16b [rbx]'],
  ['bswap rax'], ['movbe rax, [rbx]'], ['andn rax, rdx, rsi'], ['bextr rax, rdx, rsi'], ['blsr rax, rdx'], ['bzhi rax, rdx, rsi'],
  ['pdep rax, rdx, rsi', 'mov rsi, 0x0f0f0f0f0f0f0f0f'], ['pext rax, rdx, rsi', 'mov rsi, 0x0f0f0f0f0f0f0f0f'], ['shlx rax, rdx, rsi'],
  ['adcx rax, rdx'], ['adox rax, rdx'], ['crc32 eax, dl'], ['crc32 rax, rdx'], ['lahf'], ['sahf'], ['push rax; pop rdx'], ['enter 16, 0; leave'], ['xlatb', 'mov al, 1'],
  ['lodsb', '', 'mov rsi, rbx'], ['stosq', '', 'mov rdi, rbx'], ['cld'], ['pushf; popf'], ['call 9f; 9: pop rax'], ['cpuid'], ['rdtsc'], ['rdtscp'], ['pause'], ['xgetbv', 'xor ecx, ecx'], ['rdrand rax'],
  ['mov rax, fs'], ['mov ds, edx', 'xor edx, edx'], ['rdpid rax'], ['lfence'], ['mfence'],
]

const SSE: readonly Case[] = [
  ['movdqu xmm0, [rbx]'], ['movdqa [rbx], xmm0'], ['movdqa xmm0, xmm1'], ['movd xmm0, eax'], ['movq rax, xmm0'], ['pinsrd xmm0, eax, 1'], ['pinsrw xmm0, eax, 3'], ['pextrw eax, xmm0, 3'], ['pextrb eax, xmm0, 5'],
  ['paddb xmm0, xmm1'], ['paddq xmm0, xmm1'], ['pcmpeqb xmm0, xmm1'], ['pcmpgtq xmm0, xmm1'], ['pmovmskb eax, xmm0'], ['movmskpd eax, xmm0'], ['pand xmm0, xmm1'], ['pxor xmm0, xmm1'], ['ptest xmm0, xmm1'],
  ['pshufb xmm0, xmm1'], ['pshufd xmm0, xmm1, 0x1b'], ['pshuflw xmm0, xmm1, 0x1b'], ['shufps xmm0, xmm1, 0x1b'], ['punpcklbw xmm0, xmm1'], ['palignr xmm0, xmm1, 5'], ['pblendw xmm0, xmm1, 0x5a'], ['pblendvb xmm2, xmm1'], ['insertps xmm0, xmm1, 0x10'],
  ['pmaddwd xmm0, xmm1'], ['pmaddubsw xmm0, xmm1'], ['pmuludq xmm0, xmm1'], ['pmulld xmm0, xmm1'], ['pmullw xmm0, xmm1'], ['pmulhw xmm0, xmm1'], ['psadbw xmm0, xmm1'], ['pavgb xmm0, xmm1'], ['pminub xmm0, xmm1'], ['mpsadbw xmm0, xmm1, 0'], ['phminposuw xmm0, xmm1'], ['phaddd xmm0, xmm1'],
  ['packuswb xmm0, xmm1'], ['packssdw xmm0, xmm1'], ['packusdw xmm0, xmm1'], ['pmovzxbw xmm0, xmm1'], ['psllq xmm0, 3'], ['psrlw xmm0, xmm1'], ['psrldq xmm0, 5'], ['psrad xmm0, 3'], ['psignb xmm0, xmm1'], ['pabsd xmm0, xmm1'],
  // Sixteen changing characters against three, results and CF used: what nobody reads is not computed.
  ...['pcmpistri xmm2, xmm1, 0x0c', 'pcmpistri xmm2, xmm1, 0x1a', 'pcmpistri xmm2, xmm1, 0x02', 'pcmpistri xmm2, xmm1, 0x04', 'pcmpistri xmm2, xmm1, 0x0d', 'pcmpestri xmm2, xmm1, 0x0c', 'pcmpistrm xmm2, xmm1, 0x40']
    .map((text): Case => [`${text}; adc r9d, ecx; pxor xmm4, xmm0; paddb xmm1, xmm3`, 'mov eax, 0x636261; movd xmm2, eax; mov eax, 3; movdqu xmm1, [rip]; mov esi, 0x01010101; movd xmm3, esi; pshufd xmm3, xmm3, 0; mov edx, 16']),
  ['aesenc xmm0, xmm1'], ['aesenc xmm0, xmm1; aesenc xmm2, xmm1; aesenc xmm3, xmm1; aesenc xmm4, xmm1'], ['aesenclast xmm0, xmm1'], ['aesdec xmm0, xmm1'], ['aesdeclast xmm0, xmm1'], ['aesimc xmm0, xmm1'], ['aeskeygenassist xmm0, xmm1, 1'],
  ['pclmulqdq xmm0, xmm1, 0x00'], ['pclmulqdq xmm0, xmm1, 0x11'], ['sha1rnds4 xmm0, xmm1, 1'], ['sha1nexte xmm0, xmm1'], ['sha1msg1 xmm0, xmm1'], ['sha1msg2 xmm0, xmm1'], ['sha256rnds2 xmm2, xmm1'], ['sha256msg1 xmm0, xmm1'], ['sha256msg2 xmm0, xmm1'],
  ['maskmovdqu xmm0, xmm1', 'mov rdi, rbx'], ['ldmxcsr [rsp - 8]', 'mov dword ptr [rsp - 8], 0x1fa0'], ['stmxcsr [rbx]'],
]

const FLOATS = 'mov rax, 0x3ff0000000000001; movq xmm0, rax; movddup xmm1, xmm0; movddup xmm2, xmm0'
const SINGLES = 'mov eax, 0x3f800001; movd xmm1, eax; shufps xmm1, xmm1, 0; movaps xmm0, xmm1'
const FLOAT: readonly Case[] = [
  ...['addsd', 'subsd', 'mulsd', 'divsd', 'sqrtsd', 'minsd', 'maxsd', 'comisd', 'ucomisd', 'addpd', 'mulpd', 'divpd', 'sqrtpd', 'haddpd'].map((name): Case => [`${name} xmm0, xmm1`, FLOATS]),
  ...['addss', 'mulss', 'divss', 'sqrtss', 'minss', 'comiss', 'addps', 'mulps', 'divps', 'sqrtps', 'maxps', 'rcpps', 'rsqrtss'].map((name): Case => [`${name} xmm0, xmm1`, SINGLES]),
  ['cmpltsd xmm2, xmm1', FLOATS], ['cmpeqpd xmm2, xmm1', FLOATS], ['cmpltps xmm2, xmm1', SINGLES],
  ['cvtsi2sd xmm0, eax'], ['cvtsi2sd xmm0, rax'], ['cvtsi2ss xmm0, eax'], ['cvttsd2si eax, xmm0', FLOATS], ['cvttsd2si rax, xmm0', FLOATS], ['cvtsd2si eax, xmm0', FLOATS], ['cvtsd2ss xmm0, xmm1', FLOATS], ['cvtss2sd xmm0, xmm1', SINGLES],
  ['cvtdq2ps xmm0, xmm1'], ['cvtdq2pd xmm0, xmm1'], ['cvttps2dq xmm0, xmm1', SINGLES], ['cvtps2pd xmm0, xmm1', SINGLES], ['cvtpd2ps xmm0, xmm1', FLOATS], ['cvttpd2dq xmm0, xmm1', FLOATS],
  ['roundsd xmm0, xmm1, 1', FLOATS], ['roundps xmm0, xmm1, 3', SINGLES], ['dpps xmm0, xmm1, 0xff', SINGLES], ['addsubpd xmm0, xmm1', FLOATS],
  ['vfmadd213sd xmm2, xmm1, xmm0', FLOATS], ['vfmadd231pd ymm2, ymm1, ymm0', FLOATS], ['vfmadd231ps ymm2, ymm1, ymm0', SINGLES], ['vaddsd xmm2, xmm1, xmm0', FLOATS], ['vmulpd ymm2, ymm1, ymm0', FLOATS], ['vcvtph2ps xmm0, xmm1'], ['vcvtps2ph xmm0, xmm1, 0', SINGLES],
  // Results that are exact, before anything was inexact.
  ['addsd xmm0, xmm1 # exact', 'mov eax, 3; cvtsi2sd xmm0, eax; cvtsi2sd xmm1, eax; mov dword ptr [rsp - 8], 0x1f80; ldmxcsr [rsp - 8]'],
  ['mulsd xmm0, xmm1 # exact', 'mov eax, 1; cvtsi2sd xmm0, eax; cvtsi2sd xmm1, eax; mov dword ptr [rsp - 8], 0x1f80; ldmxcsr [rsp - 8]'],
  ['divsd xmm0, xmm1 # exact', 'mov eax, 1; cvtsi2sd xmm0, eax; cvtsi2sd xmm1, eax; mov dword ptr [rsp - 8], 0x1f80; ldmxcsr [rsp - 8]'],
  ['cvttsd2si eax, xmm0 # exact', 'mov eax, 1; cvtsi2sd xmm0, eax; cvtsi2sd xmm1, eax; mov dword ptr [rsp - 8], 0x1f80; ldmxcsr [rsp - 8]'],
]

const AVX: readonly Case[] = [
  ['vpaddd ymm0, ymm1, ymm2'], ['vmovdqu ymm0, [rbx]'], ['vmovdqu [rbx], ymm0'], ['vpcmpeqb ymm0, ymm1, [rbx]'], ['vpmovmskb eax, ymm0'], ['vpshufb ymm0, ymm1, ymm2'], ['vpermq ymm0, ymm1, 0x1b'], ['vpermd ymm0, ymm1, ymm2'], ['vperm2i128 ymm0, ymm1, ymm2, 0x21'],
  ['vpsllvd ymm0, ymm1, ymm2'], ['vpsravd ymm0, ymm1, ymm2'], ['vpbroadcastb ymm0, xmm1'], ['vinserti128 ymm0, ymm1, xmm2, 1'], ['vextracti128 xmm0, ymm1, 1'], ['vptest ymm0, ymm1'], ['vzeroupper'], ['vblendvps ymm0, ymm1, ymm2, ymm3'], ['vpternlogd xmm0, xmm1, xmm2, 1'],
  ['vpgatherdd ymm0, [rbx + ymm1 * 4], ymm2', 'vpxor ymm1, ymm1, ymm1', 'vpcmpeqd ymm2, ymm2, ymm2'], ['vpcmpeqd ymm2, ymm2, ymm2; vpgatherdd ymm0, [rbx + ymm1 * 4], ymm2', 'vpxor ymm1, ymm1, ymm1'],
  ['vpcmpeqd xmm2, xmm2, xmm2; vgatherqpd xmm0, [rbx + xmm1 * 8], xmm2', 'vpxor ymm1, ymm1, ymm1'],
  ['vmaskmovps ymm0, ymm1, [rbx]', 'vpcmpeqd ymm1, ymm1, ymm1'], ['vmaskmovps [rbx], ymm1, ymm0', 'vpcmpeqd ymm1, ymm1, ymm1'], ['vpmaskmovq xmm0, xmm1, [rbx]', 'vpcmpeqd ymm1, ymm1, ymm1'],
].filter(([text]) => !text!.startsWith('vpternlog')) as unknown as readonly Case[]

const MMX: readonly Case[] = [['paddb mm0, mm1'], ['movq mm0, [rbx]'], ['pmaddwd mm0, mm1'], ['emms'], ['movq2dq xmm0, mm0']]

const NUMBERS = 'fninit; fld1; fldl2e; mov qword ptr [rbx], 0; mov rax, 0x3ff0000000000001; mov [rbx + 8], rax; mov dword ptr [rbx + 16], 7; mov dword ptr [rbx + 20], 0x3f7fffff'
const X87: readonly Case[] = [
  ['fld qword ptr [rbx + 8]; fstp qword ptr [rbx + 24]', NUMBERS], ['fld dword ptr [rbx + 20]; fstp st(0)', NUMBERS], ['fld st(0); fstp st(1)', NUMBERS], ['fld1; fstp st(0)', NUMBERS], ['fld tbyte ptr [rbx + 32]; fstp tbyte ptr [rbx + 32]', NUMBERS + '; fld1; fstp tbyte ptr [rbx + 32]'],
  ['fild dword ptr [rbx + 16]; fistp dword ptr [rbx + 24]', NUMBERS], ['fild qword ptr [rbx + 16]; fistp qword ptr [rbx + 24]', NUMBERS],
  ['fadd st, st(1)', NUMBERS], ['fadd st(1), st', NUMBERS], ['fadd st, st(1) # reversed', NUMBERS + '; fxch'], ['fadd qword ptr [rbx + 8]', NUMBERS], ['fsub st, st(1)', NUMBERS], ['fmul qword ptr [rbx + 8]', NUMBERS], ['fmul dword ptr [rbx + 20]', NUMBERS], ['fdiv qword ptr [rbx + 8]', NUMBERS], ['fsqrt', NUMBERS], ['frndint', NUMBERS],
  ['fxch st(1)', NUMBERS], ['fchs', NUMBERS], ['fucomi st, st(1)', NUMBERS], ['fcom st(1); fnstsw ax', NUMBERS], ['fld st(0); fprem; fstp st(0)', NUMBERS], ['fld st(0); fscale; fstp st(0)', NUMBERS], ['fsin', NUMBERS], ['fld st(0); f2xm1; fstp st(0)', NUMBERS], ['fnstcw [rbx + 24]', NUMBERS], ['fldcw [rbx + 24]', NUMBERS + '; fnstcw [rbx + 24]'], ['fwait', NUMBERS], ['fnstenv [rbx + 64]; fldenv [rbx + 64]', NUMBERS],
  ['fxsave [rbx + 512]', NUMBERS], ['fxrstor [rbx + 512]', NUMBERS + '; fxsave [rbx + 512]'], ['xsave [rbx + 2048]', NUMBERS + '; mov eax, 7; xor edx, edx'], ['xrstor [rbx + 2048]', NUMBERS + '; mov eax, 7; xor edx, edx; xsave [rbx + 2048]'], ['xsaveopt [rbx + 2048]', NUMBERS + '; mov eax, 7; xor edx, edx'], ['xsavec [rbx + 2048]', NUMBERS + '; mov eax, 7; xor edx, edx'],
]

const CODE = 0x100000
const DATA = 0x80000
const TURNS = 0x200000
const STRIDE = 0x2000

function assemble(cases: readonly Case[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'instructions-'))
  try {
    const text = cases.map(([instruction, setup = '', turn = ''], n) => `.org ${n * STRIDE}
      mov ecx, 1; mov rdx, 0x123456789abcdef; mov rsi, 0x1b; mov rdi, 0x987654321; mov dword ptr [rsp - 16], 0x1fa0; ldmxcsr [rsp - 16]
      ${setup}
      mov r8d, [rsp + 64]
      .balign 64
      1: ${turn}
      .rept 50
      ${instruction}
      .endr
      dec r8d
      jnz 1b
      hlt`).join('\n')
    writeFileSync(join(folder, 'code.S'), `.intel_syntax noprefix\n.code64\n${text}\n`)
    execFileSync('as', ['--64', '-o', join(folder, 'code.o'), join(folder, 'code.S')])
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', join(folder, 'code.o'), join(folder, 'code.bin')])
    return readFileSync(join(folder, 'code.bin'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const cases = [...INTEGER, ...SSE, ...FLOAT, ...AVX, ...MMX, ...X87].filter(([text]) => text.includes(pattern))
const bench = createBench()
const { cpu } = bench
bench.load(CODE, assemble(cases))

/** Nanoseconds of processor time for `turns` turns of a case; undefined when the guest died of it. */
function time(n: number, turns: number): number | undefined {
  enterLongMode(bench, CODE + n * STRIDE)
  const r = cpu.getRegisters()
  r.cr4 = 0x40620n
  r.gpr[3] = BigInt(DATA)
  r.gpr[4] = BigInt(DATA - 0x1000)
  cpu.setRegisters(r)
  cpu.state.setU64(L.XCR0, 7n)
  cpu.modeChanged()
  bench.load(DATA - 0x1000 + 64, Uint8Array.of(turns, turns >> 8, turns >> 16, 0))
  const start = process.threadCpuUsage()
  for (;;) {
    const { reason } = cpu.run(1_000_000)
    if (reason === 'halt') break
    if (reason !== 'slice') return undefined
  }
  const { user, system } = process.threadCpuUsage(start)
  return (user + system) * 1000
}

cases.forEach(([text], n) => {
  // Long enough for the optimising compiler, then a number of turns that takes some 10 ms.
  if (time(n, 2000) === undefined) {
    console.log(`${'dead'.padStart(9)}  ${text}`)
    return
  }
  let turns = 4000
  for (let took = time(n, turns)!; took < 10e6 && turns < TURNS; took = time(n, turns)!) turns *= 2
  const least = Math.min(...Array.from({ length: Number(rounds) }, () => time(n, turns)!))
  console.log(`${(least / turns / 50).toFixed(2).padStart(9)}  ${text}`)
})

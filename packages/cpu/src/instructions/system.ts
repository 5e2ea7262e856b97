import { i32 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'
import type { Emit, Row } from './row.ts'
import { host, row } from './row.ts'

/** Nothing to do: caches are coherent, memory is strongly ordered, hints are hints. */
const nothing: Emit = () => {}
/** Touches the byte as a load would: CLFLUSH and its kin fault like loads. */
const touch: Emit = (e) => {
  e.readAddress(1)
}
/** CLAC and STAC: CPL 0, else #UD. The set of the TLB in use follows EFLAGS.AC (see system/modes.ts). */
const alignmentFlag = (on: boolean): Emit => (e) => {
  e.raiseIf(e.field32(L.CPL), 6)
  const flags = e.field32(L.EFLAGS)
  e.setField32(L.EFLAGS, on ? i32.or(flags, i32.const(L.FLAG_AC)) : i32.and(flags, i32.const(~L.FLAG_AC)))
  e.setField32(L.TLB_BASE, i32.add(e.cpu, i32.const(L.TLB + (on ? L.TLB_SUPERVISOR_AC : L.TLB_SUPERVISOR) * L.TLB_SET_BYTES)))
}
const U = { unobservable: true } as const
const ENDS = { unobservable: true, ends: true } as const

const transfers: readonly Row[] = [
  row('JMP', 'EA i64', 'Iz,Iw', host('jump-far'), ENDS),
  row('CALL', '9A i64', 'Iz,Iw', host('call-far'), ENDS),
  row('JMP', 'FF /5 !mod3', 'Mv', host('jump-far-memory'), ENDS),
  row('CALL', 'FF /3 !mod3', 'Mv', host('call-far-memory'), ENDS),
  row('RETF', 'CB', '', host('ret-far'), ENDS),
  row('RETF', 'CA o16s', 'Iw', host('ret-far-immediate'), ENDS),
  row('RETF', 'CA o32s', 'Iw', host('ret-far-immediate'), ENDS),
  row('RETF', 'CA o64s', 'Iw', host('ret-far-immediate'), ENDS),
  row('IRET', 'CF', '', host('iret'), ENDS),
  row('INT', 'CD', 'Ib', host('int'), { ...ENDS, intercept: 'software-interrupt' }),
  row('INT3', 'CC', '', host('int3'), { ...ENDS, intercept: 'software-interrupt' }),
  row('INT1', 'F1', '', host('int1'), ENDS),
  row('INTO', 'CE i64', '', host('into'), { ...U, intercept: 'software-interrupt' }),
  row('HLT', 'F4', '', host('hlt'), { ...ENDS, intercept: 'hlt' }),
]

const segments: readonly Row[] = [
  row('MOV', '8E /r', 'Sw,Ew', host('mov-to-segment'), U),
  row('POP', '07 i64', '', host('pop-es'), U),
  row('POP', '17 i64', '', host('pop-ss'), U),
  row('POP', '1F i64', '', host('pop-ds'), U),
  row('POP', '0F A1 d64', '', host('pop-fs'), U),
  row('POP', '0F A9 d64', '', host('pop-gs'), U),
  row('LES', 'C4 /r !mod3 i64', 'Gv,Mv', host('load-es'), U),
  row('LDS', 'C5 /r !mod3 i64', 'Gv,Mv', host('load-ds'), U),
  row('LSS', '0F B2 /r !mod3', 'Gv,Mv', host('load-ss'), U),
  row('LFS', '0F B4 /r !mod3', 'Gv,Mv', host('load-fs'), U),
  row('LGS', '0F B5 /r !mod3', 'Gv,Mv', host('load-gs'), U),
  row('SLDT', '0F 00 /0', 'Ev', host('sldt'), U),
  row('STR', '0F 00 /1', 'Ev', host('str'), U),
  row('LLDT', '0F 00 /2', 'Ew', host('lldt'), U),
  row('LTR', '0F 00 /3', 'Ew', host('ltr'), U),
  row('VERR', '0F 00 /4', 'Ew', host('verr'), U),
  row('VERW', '0F 00 /5', 'Ew', host('verw'), U),
  row('LAR', '0F 02 /r', 'Gv,Ew', host('lar'), U),
  row('LSL', '0F 03 /r', 'Gv,Ew', host('lsl'), U),
  row('ARPL', '63 /r i64', 'Ew,Gw', host('arpl'), U),
  row('SGDT', '0F 01 /0 !mod3', 'Mv', host('sgdt'), U),
  row('SIDT', '0F 01 /1 !mod3', 'Mv', host('sidt'), U),
  row('LGDT', '0F 01 /2 !mod3', 'Mv', host('lgdt'), U),
  row('LIDT', '0F 01 /3 !mod3', 'Mv', host('lidt'), U),
]

const control: readonly Row[] = [
  row('MOV', '0F 22 /r', 'Cq,Rq', host('mov-to-control'), U),
  row('MOV', '0F 21 /r', 'Rq,Dq', host('mov-from-debug'), U),
  row('MOV', '0F 23 /r', 'Dq,Rq', host('mov-to-debug'), U),
  row('CLTS', '0F 06', '', host('clts'), U),
  row('SMSW', '0F 01 /4', 'Ev', host('smsw'), U),
  row('LMSW', '0F 01 /6', 'Ew', host('lmsw'), U),
  row('INVLPG', '0F 01 /7 !mod3', 'Mb', host('invlpg'), U),
  row('INVPCID', '66 0F 38 82 /r !mod3', 'Gq,Mdq', host('invpcid'), { ...U, feature: 'invpcid' }),
  row('INVD', '0F 08', '', host('flush-caches'), U),
  row('WBINVD', '0F 09', '', host('flush-caches'), U),
  row('RDMSR', '0F 32', '', host('rdmsr'), { ...U, feature: 'msr', intercept: 'rdmsr' }),
  row('WRMSR', '0F 30', '', host('wrmsr'), { ...U, feature: 'msr', intercept: 'wrmsr' }),
  row('RDTSC', '0F 31', '', host('rdtsc'), { ...U, feature: 'tsc' }),
  row('RDTSCP', '0F 01 /7 rm=1', '', host('rdtscp'), { ...U, feature: 'rdtscp' }),
  row('RDPID', 'F3 0F C7 /7 mod3', 'Rq', host('rdpid'), { ...U, feature: 'rdpid' }),
  row('RDPMC', '0F 33', '', host('rdpmc'), U),
  row('CPUID', '0F A2', '', host('cpuid'), { ...U, intercept: 'cpuid' }),
  row('CLAC', 'NP 0F 01 /1 rm=2', '', alignmentFlag(false), { ...U, feature: 'smap' }),
  row('STAC', 'NP 0F 01 /1 rm=3', '', alignmentFlag(true), { ...U, feature: 'smap' }),
  row('MONITOR', 'NP 0F 01 /1 rm=0', '', host('monitor'), { ...U, feature: 'monitor' }),
  row('MWAIT', 'NP 0F 01 /1 rm=1', '', host('mwait'), { ...ENDS, feature: 'monitor' }),
  row('VMCALL', 'NP 0F 01 /0 rm=1', '', host('hypercall'), U),
  row('VMMCALL', 'NP 0F 01 /3 rm=1', '', host('hypercall'), U),
  row('XGETBV', 'NP 0F 01 /2 rm=0', '', host('xgetbv'), { ...U, feature: 'xsave' }),
  row('XSETBV', 'NP 0F 01 /2 rm=1', '', host('xsetbv'), { ...U, feature: 'xsave' }),
  row('FXSAVE', 'NP 0F AE /0 !mod3', 'Mv', host('fxsave'), { ...U, feature: 'fxsr' }),
  row('FXRSTOR', 'NP 0F AE /1 !mod3', 'Mv', host('fxrstor'), { ...U, feature: 'fxsr' }),
  row('XSAVE', 'NP 0F AE /4 !mod3', 'Mv', host('xsave'), { ...U, feature: 'xsave' }),
  row('XRSTOR', 'NP 0F AE /5 !mod3', 'Mv', host('xrstor'), { ...U, feature: 'xsave' }),
  row('XSAVEOPT', 'NP 0F AE /6 !mod3', 'Mv', host('xsaveopt'), { ...U, feature: 'xsaveopt' }),
  row('XSAVEC', 'NP 0F C7 /4 !mod3', 'Mv', host('xsavec'), { ...U, feature: 'xsavec' }),
  row('RDRAND', '0F C7 /6 mod3', 'Rv', host('random'), { ...U, feature: 'rdrand' }),
  row('RDSEED', '0F C7 /7 mod3', 'Rv', host('random'), { ...U, feature: 'rdseed' }),
]

const ports: readonly Row[] = [
  row('IN', 'E4', 'AL,Ib', host('in-byte-immediate'), U),
  row('IN', 'E5', 'eAX,Ib', host('in-immediate'), U),
  row('IN', 'EC', 'AL,DX', host('in-byte'), U),
  row('IN', 'ED', 'eAX,DX', host('in'), U),
  row('OUT', 'E6', 'Ib,AL', host('out-byte-immediate'), U),
  row('OUT', 'E7', 'Ib,eAX', host('out-immediate'), U),
  row('OUT', 'EE', 'DX,AL', host('out-byte'), U),
  row('OUT', 'EF', 'DX,eAX', host('out'), U),
  row('INS', '6C', '', host('ins-byte'), { ...U, string: true }),
  row('INS', '6D', '', host('ins'), { ...U, string: true }),
  row('OUTS', '6E', '', host('outs-byte'), { ...U, string: true }),
  row('OUTS', '6F', '', host('outs'), { ...U, string: true }),
]

const hints: readonly Row[] = [
  row('PAUSE', 'F3 90', '', host('pause')),
  row('LFENCE', 'NP 0F AE /5 mod3', '', nothing, { feature: 'sse2' }),
  row('MFENCE', 'NP 0F AE /6 mod3', '', (e) => e.b.atomicFence(), { feature: 'sse2' }),
  row('SFENCE', 'NP 0F AE /7 mod3', '', nothing, { feature: 'sse' }),
  row('CLFLUSH', 'NP 0F AE /7 !mod3', 'Mb', touch, { feature: 'clflush' }),
  row('CLFLUSHOPT', '66 0F AE /7 !mod3', 'Mb', touch, { feature: 'clflushopt' }),
  row('CLWB', '66 0F AE /6 !mod3', 'Mb', touch, { feature: 'clwb' }),
  row('PREFETCHW', '0F 0D /r !mod3', 'Mb', nothing),
  ...['18', '19', '1A', '1B', '1C', '1D', '1E', '1F'].map((opcode) => row('NOP', `0F ${opcode} /r`, 'Ev', nothing)),
]

export const SYSTEM_ROWS: readonly Row[] = [...transfers, ...segments, ...control, ...ports, ...hints]

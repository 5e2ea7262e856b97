import * as X from '@entresol/x86'
import { STATUS_JUMP, STATUS_LEAVE } from '../interpreter/records.ts'
import { GP, GuestFault, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, SystemContext } from './context.ts'
import { isCanonicalHigh } from './mode-state.ts'
import * as M from './msr-state.ts'
import { readMsr, writeMsr } from './msr.ts'
import { registerBytes, writeCell } from './operands.ts'
import { requirePrivileged } from './privilege.ts'
import { usableUnits } from './units.ts'

const halt: HostFunction = (c, i) => {
  requirePrivileged(c)
  c.state.rip = i.nextRip
  c.leave({ kind: 'halt' })
  return STATUS_LEAVE
}

/** Gives way at once, not at the next jump: a lock may be taken right behind PAUSE, and who waits for it has to see it free. */
const pause: HostFunction = (c, i) => {
  if (!c.pause()) return undefined
  c.state.rip = i.nextRip
  return STATUS_JUMP
}

/** Dynamic bits: local APIC id and enable, OSXSAVE, sizes for the XCR0 in force. */
const cpuid: HostFunction = (c) => {
  const { state } = c
  const leaf = Number(state.gpr(0) & 0xffffffffn)
  const subleaf = Number(state.gpr(1) & 0xffffffffn)
  let [eax, ebx, ecx, edx] = c.model.cpuid(leaf, subleaf)
  if (leaf === 1) {
    if (state.cr4 & X.CR4_OSXSAVE) ecx |= X.CPUID_1_ECX_OSXSAVE
    // 11.4.4: with the APIC disabled the flag is clear.
    if (!(c.apic.apicBase & 0x800n)) edx &= ~X.CPUID_1_EDX_APIC
    ebx = (ebx & 0xffffff) | (c.id << 24)
  } else if (leaf === 0xb) {
    edx = c.id
  } else if (leaf === 0xd && subleaf <= 1 && eax !== 0) {
    ebx = state.u32(L.XCR0) & X.XCR0_AVX ? 832 : 576
  } else if ((leaf >>> 8) === 0x400000 && c.paravirtual) {
    if (leaf === 0x40000000) [eax, ebx, ecx, edx] = [0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d]
    else if (leaf === 0x40000001) [eax, ebx, ecx, edx] = [c.paravirtual.features, 0, 0, 0]
  }
  ;[eax, ebx, ecx, edx].forEach((value, n) => state.setGpr([0, 3, 1, 2][n]!, BigInt(value >>> 0)))
}

function requireTimestamp(c: SystemContext): void {
  if (c.state.cr4 & X.CR4_TSD && c.state.cpl !== 0) throw new GuestFault(GP, 0)
}

/** A general register from 32 bits. */
function setLow(c: SystemContext, number: number, value: number): void {
  c.state.setU32(L.REGS + number * 8, value)
  c.state.setU32(L.REGS + number * 8 + 4, 0)
}

/** EDX:EAX from a field of the state block. */
function setPairFrom(c: SystemContext, field: number): void {
  setLow(c, 0, c.state.u32(field))
  setLow(c, 2, c.state.u32(field + 4))
}

function setPair(c: SystemContext, value: bigint): void {
  c.state.setGpr(0, value & 0xffffffffn)
  c.state.setGpr(2, (value >> 32n) & 0xffffffffn)
}

const rdtsc: HostFunction = (c) => {
  requireTimestamp(c)
  c.readTsc()
  setPairFrom(c, L.HOST_VALUE)
}

const rdtscp: HostFunction = (c, i) => {
  rdtsc(c, i)
  setLow(c, 1, c.state.u32(L.TSC_AUX))
}

const rdpid: HostFunction = (c, i) => writeCell(c, i.rmCell, registerBytes(c), BigInt(c.state.u32(L.TSC_AUX)))

/** No performance counters are announced: every index is refused (vol. 2B, RDPMC). */
const rdpmc: HostFunction = () => {
  throw new GuestFault(GP, 0)
}

/** Registers that are a field of the state block and may hold any canonical address. */
function baseField(index: number): number {
  if (index === X.IA32_FS_BASE) return L.segment(L.SEG_FS) + L.SEG_BASE
  if (index === X.IA32_GS_BASE) return L.segment(L.SEG_GS) + L.SEG_BASE
  return index === X.IA32_KERNEL_GS_BASE ? L.KERNEL_GS_BASE : 0
}

const rdmsr: HostFunction = (c) => {
  requirePrivileged(c)
  const index = c.state.u32(L.REGS + 8)
  const field = c.state.mode64 ? baseField(index) : 0
  if (field !== 0) {
    setPairFrom(c, field)
    return
  }
  const value = readMsr(c, index)
  if (value === undefined) throw new GuestFault(GP, 0)
  setPair(c, value)
}

const wrmsr: HostFunction = (c, i) => {
  requirePrivileged(c)
  const { state } = c
  const index = state.u32(L.REGS + 8)
  const low = state.u32(L.REGS)
  const high = state.u32(L.REGS + 16)
  const field = state.mode64 ? baseField(index) : 0
  if (field !== 0) {
    if (!isCanonicalHigh(c, high)) throw new GuestFault(GP, 0)
    state.setU32(field, low)
    state.setU32(field + 4, high)
    return undefined
  }
  state.setU32(L.HOST_VALUE, low)
  state.setU32(L.HOST_VALUE + 4, high)
  if (!writeMsr(c, index, state.u64(L.HOST_VALUE))) throw new GuestFault(GP, 0)
  // It may have ended the slice: go on through a control transfer.
  i.leaveAt(i.length)
  return STATUS_JUMP
}

const xgetbv: HostFunction = (c) => {
  const { state } = c
  if (!(state.cr4 & X.CR4_OSXSAVE)) throw new GuestFault(UD)
  const index = state.gpr(1) & 0xffffffffn
  if (index === 0n || (index === 1n && c.model.features.has('xgetbv1'))) setPair(c, state.u64(L.XCR0))
  else throw new GuestFault(GP, 0)
}

const xsetbv: HostFunction = (c) => {
  const { state } = c
  if (!(state.cr4 & X.CR4_OSXSAVE)) throw new GuestFault(UD)
  requirePrivileged(c)
  const value = (state.gpr(0) & 0xffffffffn) | ((state.gpr(2) & 0xffffffffn) << 32n)
  const supported = BigInt(X.XCR0_X87 | X.XCR0_SSE | (c.model.features.has('avx') ? X.XCR0_AVX : 0))
  const sse = (value & BigInt(X.XCR0_SSE)) !== 0n
  const avx = (value & BigInt(X.XCR0_AVX)) !== 0n
  if ((state.gpr(1) & 0xffffffffn) !== 0n || !(value & 1n) || value & ~supported || (avx && !sse)) throw new GuestFault(GP, 0)
  state.setU64(L.XCR0, value)
  state.setU32(L.UNITS, usableUnits(state))
}

/** RDRAND and RDSEED always succeed: CF set, the other arithmetic flags cleared. */
const random: HostFunction = (c, i) => {
  const low = BigInt(c.random.nextU32() >>> 0)
  const value = i.width === 64 ? low | (BigInt(c.random.nextU32() >>> 0) << 32n) : low
  writeCell(c, i.rmCell, i.width / 8, value)
  c.state.eflags = (c.state.eflags & ~L.FLAGS_ARITHMETIC) | L.FLAG_CF
}

/** The monitored line as it is now; undefined when it cannot be read any more. */
function monitoredLine(c: SystemContext): Uint8Array | undefined {
  const line = new Uint8Array(M.MONITOR_BYTES)
  try {
    c.memory.readBytes(c.state.u64(M.MONITOR_LINE), line, 'supervisor')
    return line
  } catch (thrown) {
    if (thrown instanceof GuestFault) return undefined
    throw thrown
  }
}

const monitorCopy = ({ state }: SystemContext): Uint8Array => state.memory.u8.subarray(state.base + M.MONITOR_COPY, state.base + M.MONITOR_COPY + M.MONITOR_BYTES)

/** MONITOR arms a 64-byte line (SDM vol. 2B). ECX has no extensions to ask for. */
const monitor: HostFunction = (c, i) => {
  requirePrivileged(c)
  if (c.state.gpr(1) & 0xffffffffn) throw new GuestFault(GP, 0)
  const linear = i.stringLinear('address', 1)
  // The byte is accessed as data is, with its faults.
  c.memory.read(linear, 1, 'current', i.stackSegment)
  c.state.setU64(M.MONITOR_LINE, linear & ~BigInt(M.MONITOR_BYTES - 1))
  const line = monitoredLine(c)
  c.state.setU32(M.MONITOR_ARMED, line ? 1 : 0)
  if (line) monitorCopy(c).set(line)
}

/** True once the line differs from what it was when armed: someone stored to it. A store of the same value goes unseen. */
function lineChanged(c: SystemContext): boolean {
  const line = monitoredLine(c)
  if (!line) return true
  const copy = monitorCopy(c)
  return line.some((byte, n) => byte !== copy[n])
}

/** Waits as HLT does, and also until the armed line changes; with nothing armed it is a NOP. */
const mwait: HostFunction = (c, i) => {
  requirePrivileged(c)
  if (c.state.gpr(1) & 0xffffffffn) throw new GuestFault(GP, 0)
  const armed = c.state.u32(M.MONITOR_ARMED) !== 0
  c.state.setU32(M.MONITOR_ARMED, 0)
  c.state.rip = i.nextRip
  if (!armed || lineChanged(c)) return STATUS_JUMP
  c.leave({ kind: 'halt', until: () => lineChanged(c) })
  return STATUS_LEAVE
}

/** VMCALL and VMMCALL with KVM's ABI: number in RAX, arguments in RBX, RCX, RDX, RSI. */
const hypercall: HostFunction = (c) => {
  const { state, paravirtual } = c
  if (!paravirtual) throw new GuestFault(UD)
  const width = state.mode64 ? 64 : 32
  const argument = (n: number): bigint => BigInt.asUintN(width, state.gpr(n))
  // -KVM_EPERM: hypercalls are the kernel's.
  const result = state.cpl !== 0 ? -1n : paravirtual.hypercall(argument(0), argument(3), argument(1), argument(2), argument(6))
  state.setGpr(0, BigInt.asUintN(width, result))
}

const nothing: HostFunction = () => undefined

export const MISC_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  hlt: halt, pause, cpuid, rdtsc, rdtscp, rdpid, rdpmc, rdmsr, wrmsr, xgetbv, xsetbv,
  random, monitor, mwait, hypercall, nothing,
}

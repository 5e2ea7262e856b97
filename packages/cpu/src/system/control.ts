import * as X from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { DB, GP, GuestFault, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import { isCanonical, isCanonicalHigh } from './mode-state.ts'
import { readCell, readE, registerBytes, storeWord, writeCell } from './operands.ts'
import { requirePrivileged, requireUmip } from './privilege.ts'
import { usableUnits } from './units.ts'

const CR0_WRITABLE = (X.CR0_PE | X.CR0_MP | X.CR0_EM | X.CR0_TS | X.CR0_NE | X.CR0_WP | X.CR0_AM | X.CR0_NW | X.CR0_CD | X.CR0_PG) >>> 0
/** Bits whose change makes cached translations wrong. */
const CR0_PAGING = X.CR0_PE | X.CR0_WP | X.CR0_PG
const CR4_PAGING = X.CR4_PSE | X.CR4_PAE | X.CR4_PGE | X.CR4_PCIDE | X.CR4_SMEP | X.CR4_SMAP | X.CR4_LA57
/** CR4 bits every model has, and those that come with a feature. */
const CR4_FEATURES: readonly (readonly [number, string])[] = [
  [X.CR4_VME | X.CR4_PVI, 'vme'], [X.CR4_TSD, 'tsc'], [X.CR4_DE, 'de'], [X.CR4_PSE, 'pse'], [X.CR4_PAE, 'pae'], [X.CR4_MCE, 'mce'],
  [X.CR4_PGE, 'pge'], [X.CR4_OSFXSR, 'fxsr'], [X.CR4_OSXMMEXCPT, 'sse'], [X.CR4_UMIP, 'umip'], [X.CR4_LA57, 'la57'],
  [X.CR4_FSGSBASE, 'fsgsbase'], [X.CR4_PCIDE, 'pcid'], [X.CR4_OSXSAVE, 'xsave'], [X.CR4_SMEP, 'smep'], [X.CR4_SMAP, 'smap'],
]

function cr4Allowed(c: SystemContext): number {
  let allowed = X.CR4_PCE
  for (const [bits, feature] of CR4_FEATURES) if (c.model.features.has(feature)) allowed |= bits
  return allowed
}

/** Continues behind the instruction by a fresh lookup: translations or modes are new. */
function resume(i: HostInstruction): number {
  i.leaveAt(i.length)
  return STATUS_JUMP
}

/** Sets a control register and EFER.LMA together; #GP(0) and nothing changed when PAE's PDPTEs are refused. */
function commitPaging(c: SystemContext, register: number, value: bigint, efer: number): void {
  const { state } = c
  const [old, oldEfer] = [state.u64(register), state.u32(L.EFER)]
  state.setU64(register, value)
  state.setU32(L.EFER, efer)
  if (c.pagingChanged()) return
  state.setU64(register, old)
  state.setU32(L.EFER, oldEfer)
  c.pagingChanged()
  throw new GuestFault(GP, 0)
}

/** MOV to CR0 and LMSW (SDM vol. 2B, MOV—Move to/from Control Registers; vol. 3, 2.5 and 10.8.5). */
export function writeCr0(c: SystemContext, value: bigint): void {
  const { state } = c
  if (value >> 32n) throw new GuestFault(GP, 0)
  const next = ((Number(value) & CR0_WRITABLE) | X.CR0_ET) >>> 0
  const old = state.cr0
  const pg = (next & X.CR0_PG) !== 0
  if ((pg && !(next & X.CR0_PE)) || (next & X.CR0_NW && !(next & X.CR0_CD))) throw new GuestFault(GP, 0)
  let efer = state.efer
  if (pg && !(old & X.CR0_PG) && efer & X.EFER_LME) {
    if (!(state.cr4 & X.CR4_PAE) || state.attributes(L.SEG_CS) & 0x200) throw new GuestFault(GP, 0)
    efer |= X.EFER_LMA
  } else if (!pg && old & X.CR0_PG) {
    if (state.mode64 || state.cr4 & X.CR4_PCIDE) throw new GuestFault(GP, 0)
    efer &= ~X.EFER_LMA
  }
  const changed = next ^ old
  if (changed & (CR0_PAGING | X.CR0_CD | X.CR0_NW)) commitPaging(c, L.CR0, BigInt(next), efer)
  else state.setU64(L.CR0, BigInt(next))
  if (changed & CR0_PAGING) c.tlb.flushAll()
  if (changed & (CR0_PAGING | X.CR0_AM)) c.modeChanged()
  else state.setU32(L.UNITS, usableUnits(state))
}

export function writeCr3(c: SystemContext, value: bigint): void {
  const { state } = c
  if (!state.longMode) commitPaging(c, L.CR3, value & 0xffffffffn, state.efer)
  else {
    // Bit 63 with PCIDs: keep the translations of the PCID. We keep none but global ones.
    const high = Number(value >> 32n) & (state.cr4 & X.CR4_PCIDE ? 0x7fffffff : -1)
    if (high >>> (c.model.physicalAddressBits - 32)) throw new GuestFault(GP, 0)
    state.setU64(L.CR3, value)
    state.setU32(L.CR3 + 4, high)
    c.pagingChanged()
  }
  c.tlb.flushNonGlobal()
}

export function writeCr4(c: SystemContext, value: bigint): void {
  const { state } = c
  if (value >> 32n) throw new GuestFault(GP, 0)
  const next = Number(value) >>> 0
  const old = state.cr4
  if (next & ~cr4Allowed(c)) throw new GuestFault(GP, 0)
  const changed = next ^ old
  if (state.longMode && (!(next & X.CR4_PAE) || changed & X.CR4_LA57)) throw new GuestFault(GP, 0)
  if (changed & next & X.CR4_PCIDE && (!state.longMode || state.u32(L.CR3) & 0xfff)) throw new GuestFault(GP, 0)
  if (changed & CR4_PAGING) {
    commitPaging(c, L.CR4, BigInt(next), state.efer)
    c.tlb.flushAll()
  } else state.setU64(L.CR4, BigInt(next))
  c.modeChanged()
}

const isControlRegister = (number: number): boolean => number === 0 || (number >= 2 && number <= 4) || number === 8

export const movToControl: HostFunction = (c, i) => {
  const register = i.regNumber
  if (!isControlRegister(register)) throw new GuestFault(UD)
  requirePrivileged(c)
  const value = readCell(c, i.rmCell, registerBytes(c))
  switch (register) {
    case 0: writeCr0(c, value); break
    case 2: c.state.setU64(L.CR2, value); break
    case 3: writeCr3(c, value); break
    case 4: writeCr4(c, value); break
    default:
      if (value > 15n) throw new GuestFault(GP, 0)
      c.apic.tpr = Number(value)
      c.interruptsMayFlow()
  }
  return resume(i)
}

const movFromControl: HostFunction = (c, i) => {
  const register = i.regNumber
  if (!isControlRegister(register)) throw new GuestFault(UD)
  requirePrivileged(c)
  const value = register === 8 ? BigInt(c.apic.tpr) : c.state.u64([L.CR0, 0, L.CR2, L.CR3, L.CR4][register]!)
  writeCell(c, i.rmCell, registerBytes(c), value)
}

const clts: HostFunction = (c) => {
  requirePrivileged(c)
  c.state.setU32(L.CR0, c.state.cr0 & ~X.CR0_TS)
  c.state.setU32(L.UNITS, usableUnits(c.state))
}

/** Loads PE, MP, EM, TS; cannot clear PE. */
const lmsw: HostFunction = (c, i) => {
  requirePrivileged(c)
  const word = Number(readE(c, i, 2)) & 0xf
  const { cr0 } = c.state
  writeCr0(c, BigInt(((cr0 & ~0xe) | word) >>> 0))
  return resume(i)
}

const smsw: HostFunction = (c, i) => {
  requireUmip(c)
  storeWord(c, i, i.memory ? BigInt(c.state.cr0 & 0xffff) : BigInt(c.state.cr0))
}

// Debug registers (SDM vol. 3, 18.2)

function debugRegister(c: SystemContext, i: HostInstruction): number {
  let register = i.regNumber
  if (register === 4 || register === 5) {
    if (c.state.cr4 & X.CR4_DE) throw new GuestFault(UD)
    register += 2
  }
  if (register > 7) throw new GuestFault(UD)
  requirePrivileged(c)
  const dr7 = c.state.u32(L.DR + 7 * 8)
  if (dr7 & X.DR7_GD) {
    c.state.setU32(L.DR + 6 * 8, (c.state.u32(L.DR + 6 * 8) | X.DR6_BD) >>> 0)
    c.state.setU32(L.DR + 7 * 8, (dr7 & ~X.DR7_GD) >>> 0)
    throw new GuestFault(DB)
  }
  return register
}

const movToDebug: HostFunction = (c, i) => {
  const register = debugRegister(c, i)
  const value = readCell(c, i.rmCell, registerBytes(c))
  const at = L.DR + register * 8
  if (register < 4) c.state.setU64(at, value)
  else {
    if (value >> 32n) throw new GuestFault(GP, 0)
    const low = Number(value)
    c.state.setU64(at, BigInt(register === 6 ? (X.DR6_FIXED | (low & 0xe00f)) >>> 0 : ((low & X.DR7_WRITABLE) | X.DR7_FIXED) >>> 0))
  }
  c.debugChanged()
  return resume(i)
}

const movFromDebug: HostFunction = (c, i) => {
  const register = debugRegister(c, i)
  writeCell(c, i.rmCell, registerBytes(c), c.state.u64(L.DR + register * 8))
}

// Translations

const invlpg: HostFunction = (c, i) => {
  requirePrivileged(c)
  const { state } = c
  state.setU64(L.HOST_VALUE, i.linear(1, false))
  const low = state.u32(L.HOST_VALUE)
  const high = state.u32(L.HOST_VALUE + 4)
  if (state.longMode && !isCanonicalHigh(c, high)) return undefined
  c.tlb.flushPage(low, high)
  // The page may be the one executing.
  if (high !== state.u32(L.PAGE_LINEAR + 4) || ((low ^ state.u32(L.PAGE_LINEAR)) & ~0x1fffff) !== 0) return undefined
  c.modeChanged()
  return resume(i)
}

const invpcid: HostFunction = (c, i) => {
  if (!c.state.protectedMode) { /* allowed in real-address mode */ } else if (c.state.virtual8086) throw new GuestFault(GP, 0)
  requirePrivileged(c)
  const type = readCell(c, i.regCell, registerBytes(c))
  const linear = i.linear(16, false)
  const pcid = c.memory.read(linear, 8, 'current', i.stackSegment)
  const address = c.memory.read(linear + 8n, 8, 'current', i.stackSegment)
  if (type > 3n || (type < 2n && pcid >> 12n) || (type === 0n && !isCanonical(c, address))) throw new GuestFault(GP, 0)
  if (type < 2n && pcid !== 0n && !(c.state.cr4 & X.CR4_PCIDE)) throw new GuestFault(GP, 0)
  if (type === 0n) c.tlb.flushPage(Number(address & 0xffffffffn), Number(address >> 32n))
  else if (type === 2n) c.tlb.flushAll()
  else c.tlb.flushNonGlobal()
  c.modeChanged()
  return resume(i)
}

/** INVD, WBINVD: caches are coherent here. */
const flushCaches: HostFunction = (c) => {
  requirePrivileged(c)
}

export const CONTROL_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  'mov-to-control': movToControl,
  'mov-from-control': movFromControl,
  'mov-to-debug': movToDebug,
  'mov-from-debug': movFromDebug,
  clts, lmsw, smsw, invlpg, invpcid,
  'flush-caches': flushCaches,
}

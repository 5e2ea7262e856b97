import * as X from '@entresol/x86'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'
import { isCanonical } from './mode-state.ts'
import * as M from './msr-state.ts'

interface Msr {
  /** undefined: #GP. */
  read(c: SystemContext): bigint | undefined
  /** False: #GP. */
  write(c: SystemContext, value: bigint): boolean
}

const readOnly = (value: (c: SystemContext) => bigint): Msr => ({ read: value, write: () => false })
/** Reads as zero (or `value`); writes are accepted and dropped. */
const ignored = (value = 0n): Msr => ({ read: () => value, write: () => true })
const stored = (offset: number, valid: (c: SystemContext, value: bigint) => boolean = () => true): Msr => ({
  read: (c) => c.state.u64(offset),
  write: (c, value) => {
    if (!valid(c, value)) return false
    c.state.setU64(offset, value)
    return true
  },
})
const below = (bits: number) => (_: SystemContext, value: bigint): boolean => value >> BigInt(bits) === 0n
const withFeature = (feature: string, msr: Msr): Msr => ({
  read: (c) => (c.model.features.has(feature) ? msr.read(c) : undefined),
  write: (c, value) => c.model.features.has(feature) && msr.write(c, value),
})

/** Memory types as PAT entries and MTRRs have them: UC, WC, WT, WP, WB (SDM vol. 3, table 13-2); PAT also UC-. */
const isMemoryType = (type: number): boolean => type === 0 || type === 1 || (type >= 4 && type <= 6)
function validTypes(value: bigint, uncachedMinus: boolean): boolean {
  for (let i = 0; i < 8; i++) {
    const type = Number((value >> BigInt(i * 8)) & 0xffn)
    if (!isMemoryType(type) && !(uncachedMinus && type === 7)) return false
  }
  return true
}

const EFER: Msr = {
  read: (c) => c.state.u64(L.EFER),
  write: (c, value) => {
    const { state, model } = c
    const { features } = model
    const allowed = (features.has('syscall') ? X.EFER_SCE : 0) | (features.has('lm') ? X.EFER_LME | X.EFER_LMA : 0) | (features.has('nx') ? X.EFER_NXE : 0)
    if (value & ~BigInt(allowed)) return false
    const old = state.efer
    // LMA is read-only; LME cannot change while paging is on (vol. 3, 2.2.1 and 10.8.5).
    const next = (Number(value) & ~X.EFER_LMA) | (old & X.EFER_LMA)
    if ((next ^ old) & X.EFER_LME && state.cr0 & X.CR0_PG) return false
    state.setU32(L.EFER, next)
    if ((next ^ old) & X.EFER_NXE) {
      c.pagingChanged()
      c.tlb.flushAll()
    }
    c.modeChanged()
    return true
  },
}

const canonical = (offset: number): Msr => stored(offset, isCanonical)
const segmentBase = (segment: number): Msr => canonical(L.segment(segment) + L.SEG_BASE)

const TSC: Msr = {
  read: (c) => BigInt.asUintN(64, c.tsc()),
  // 19.17.3: a write moves TSC_ADJUST by as much.
  write: (c, value) => {
    c.state.setU64(M.TSC_ADJUST, BigInt.asUintN(64, c.state.u64(M.TSC_ADJUST) + value - c.tsc()))
    c.setTsc(value)
    c.paravirtual?.tscChanged()
    return true
  },
}
const TSC_ADJUST: Msr = {
  read: (c) => c.state.u64(M.TSC_ADJUST),
  write: (c, value) => {
    c.setTsc(BigInt.asUintN(64, c.tsc() + value - c.state.u64(M.TSC_ADJUST)))
    c.state.setU64(M.TSC_ADJUST, value)
    c.paravirtual?.tscChanged()
    return true
  },
}

const APIC_BASE: Msr = { read: (c) => c.apic.apicBase, write: (c, value) => c.apic.writeApicBase(value) }
const TSC_DEADLINE: Msr = {
  read: (c) => c.apic.tscDeadline,
  write: (c, value) => {
    c.apic.tscDeadline = value
    return true
  },
}
const PAT: Msr = stored(M.PAT, (_, value) => validTypes(value, true))

const physicalMask = (c: SystemContext): bigint => (1n << BigInt(c.model.physicalAddressBits)) - 1n
/** PHYSBASE: type and address; PHYSMASK: valid bit and mask (figure 13-7). */
const physBase = (offset: number): Msr => stored(offset, (c, v) => isMemoryType(Number(v & 0xffn)) && !(v & 0xf00n) && !(v & ~physicalMask(c)))
const physMask = (offset: number): Msr => stored(offset, (c, v) => !(v & 0x7ffn) && !(v & ~physicalMask(c)))
const DEF_TYPE: Msr = stored(M.MTRR_DEF_TYPE, (_, v) => isMemoryType(Number(v & 0xffn)) && !(v & ~0xcffn))
/** Eight variable ranges, fixed ranges, write combining (figure 13-5). */
const MTRRCAP = 0x508n

/** MCi_STATUS and friends: zero or all ones may be written (vol. 3, 17.3.2.2). */
const machineCheckValue = (_: SystemContext, v: bigint): boolean => v === 0n
const machineCheckControl = (_: SystemContext, v: bigint): boolean => v === 0n || v === 0xffffffffffffffffn

/**
 * IA32_ARCH_CAPABILITIES: nothing here executes speculatively, so none of the side channels with a bit exist: RDCL, L1TF, SSB, MDS, page-size
 * change MCE, TAA, SBDR/SSDP, FBSDP, PSDP, BHI, PBRSB, GDS, RFDS, ITS; and IBRS is in force always (SDM vol. 4, table 2-2).
 */
const ARCH_CAPABILITIES = [0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27, 62].reduce((value, bit) => value | (1n << BigInt(bit)), 0n)

const TABLE = new Map<number, Msr>([
  [X.IA32_P5_MC_ADDR, ignored()],
  [X.IA32_P5_MC_TYPE, ignored()],
  [X.IA32_TIME_STAMP_COUNTER, TSC],
  [X.IA32_PLATFORM_ID, readOnly(() => 0n)],
  [X.IA32_APIC_BASE, APIC_BASE],
  // Locked, with VMX off.
  [X.IA32_FEATURE_CONTROL, readOnly(() => 1n)],
  [X.IA32_TSC_ADJUST, withFeature('tsc_adjust', TSC_ADJUST)],
  [X.IA32_SPEC_CTRL, withFeature('spec_ctrl', stored(M.SPEC_CTRL, (c, v) => !(v & ~(3n | (c.model.features.has('bhi_ctrl') ? 0x400n : 0n)))))],
  [X.IA32_PRED_CMD, withFeature('spec_ctrl', { read: () => undefined, write: (c, v) => below(1)(c, v) })],
  [X.IA32_ARCH_CAPABILITIES, withFeature('arch_capabilities', readOnly(() => ARCH_CAPABILITIES))],
  [X.IA32_BIOS_UPDT_TRIG, { read: () => undefined, write: () => true }],
  [X.IA32_BIOS_SIGN_ID, ignored(1n << 32n)],
  [X.IA32_MTRRCAP, readOnly(() => MTRRCAP)],
  [X.IA32_SYSENTER_CS, stored(L.SYSENTER_CS, below(32))],
  [X.IA32_SYSENTER_ESP, canonical(L.SYSENTER_ESP)],
  [X.IA32_SYSENTER_EIP, canonical(L.SYSENTER_EIP)],
  [X.IA32_MCG_CAP, readOnly(() => BigInt(M.MC_BANK_COUNT))],
  [X.IA32_MCG_STATUS, stored(M.MCG_STATUS, below(3))],
  [X.IA32_PERF_STATUS, readOnly(() => 0n)],
  [X.IA32_MISC_ENABLE, stored(M.MISC_ENABLE)],
  // LBR and BTF are not modelled: nothing can be switched on.
  [X.IA32_DEBUGCTL, stored(M.DEBUGCTL, (_, v) => v === 0n)],
  [X.IA32_PAT, PAT],
  [X.IA32_MTRR_DEF_TYPE, DEF_TYPE],
  [X.IA32_TSC_DEADLINE, withFeature('tsc_deadline_timer', TSC_DEADLINE)],
  [X.IA32_EFER, EFER],
  [X.IA32_STAR, withFeature('syscall', stored(L.STAR))],
  [X.IA32_LSTAR, withFeature('lm', canonical(L.LSTAR))],
  [X.IA32_CSTAR, withFeature('lm', canonical(L.CSTAR))],
  [X.IA32_FMASK, withFeature('syscall', { read: (c) => c.state.u64(L.SFMASK), write: stored(L.SFMASK, below(32)).write })],
  [X.IA32_FS_BASE, withFeature('lm', segmentBase(L.SEG_FS))],
  [X.IA32_GS_BASE, withFeature('lm', segmentBase(L.SEG_GS))],
  [X.IA32_KERNEL_GS_BASE, withFeature('lm', canonical(L.KERNEL_GS_BASE))],
  [X.IA32_TSC_AUX, withFeature('rdtscp', stored(L.TSC_AUX, below(32)))],
])
X.IA32_MTRR_FIXED.forEach((index, n) => TABLE.set(index, stored(M.MTRR_FIXED + n * 8, (_, v) => validTypes(v, false))))
for (let n = 0; n < M.MTRR_VARIABLE_COUNT; n++) {
  TABLE.set(X.IA32_MTRR_PHYSBASE0 + n * 2, physBase(M.MTRR_VARIABLE + n * 16))
  TABLE.set(X.IA32_MTRR_PHYSBASE0 + n * 2 + 1, physMask(M.MTRR_VARIABLE + n * 16 + 8))
}
for (let n = 0; n < M.MC_BANK_COUNT * 4; n++) {
  TABLE.set(X.IA32_MC0_CTL + n, stored(M.MC_BANKS + n * 8, n % 4 === 0 ? machineCheckControl : machineCheckValue))
}

const isX2apic = (index: number): boolean => index >= X.IA32_X2APIC_FIRST && index <= X.IA32_X2APIC_LAST
/** Registers whose numbers KVM claims. */
const isParavirtual = (index: number): boolean =>
  (index >= 0x4b564d00 && index <= 0x4b564dff) || index === X.MSR_KVM_WALL_CLOCK || index === X.MSR_KVM_SYSTEM_TIME

/** RDMSR; undefined is #GP(0). */
export function readMsr(c: SystemContext, index: number): bigint | undefined {
  if (isX2apic(index)) return c.apic.readMsr(index)
  if (isParavirtual(index)) return c.paravirtual?.read(index)
  return TABLE.get(index)?.read(c)
}

/** WRMSR; false is #GP(0). */
export function writeMsr(c: SystemContext, index: number, value: bigint): boolean {
  if (isX2apic(index)) return c.apic.writeMsr(index, value)
  if (isParavirtual(index)) return c.paravirtual?.write(index, value) ?? false
  return TABLE.get(index)?.write(c, value) ?? false
}

import type { CpuModel } from '@entresol/cpu'
import { IA32_MTRR_DEF_TYPE, IA32_MTRR_FIXED, IA32_MTRR_PHYSBASE0 } from '@entresol/x86'

/** Eight equal memory types of a fixed-range register (SDM vol. 3, 13.11.2.2). */
const UNCACHEABLE = 0n
const WRITE_PROTECTED = 0x0505050505050505n
const WRITE_BACK = 0x0606060606060606n
/** IA32_MTRR_DEF_TYPE: MTRRs on, fixed ranges on, write-back (13.11.2.1). */
const DEFAULT_TYPE = 0xc06n
const VALID = 0x800n

interface Processor {
  readonly model: CpuModel
  writeMsr(index: number, value: bigint): unknown
}

/**
 * Memory types as firmware leaves them on every processor, without which a system takes the MTRRs and the PAT for broken: RAM is write-back, video memory
 * and everything from `hole` to 4 GiB (a power of two) uncacheable, option ROMs and the BIOS write-protected.
 */
export function setMemoryTypes(vcpu: Processor, hole: number): void {
  const fixed = [WRITE_BACK, WRITE_BACK, UNCACHEABLE, ...Array.from({ length: 8 }, () => WRITE_PROTECTED)]
  IA32_MTRR_FIXED.forEach((index, n) => void vcpu.writeMsr(index, fixed[n]!))
  const mask = (1n << BigInt(vcpu.model.physicalAddressBits)) - BigInt(0x100000000 - hole)
  vcpu.writeMsr(IA32_MTRR_PHYSBASE0, BigInt(hole))
  vcpu.writeMsr(IA32_MTRR_PHYSBASE0 + 1, mask | VALID)
  vcpu.writeMsr(IA32_MTRR_DEF_TYPE, DEFAULT_TYPE)
}

import type { SegmentRegister, VcpuRegisters } from '@entresol/interfaces'
import type { Placement } from '../memory/placement.ts'
import {
  ATTRIBUTES_CODE16, ATTRIBUTES_CODE32, ATTRIBUTES_CODE64, ATTRIBUTES_DATA16, ATTRIBUTES_DATA32, ATTRIBUTES_LDT,
  ATTRIBUTES_TSS32_BUSY, BOOT_CS, BOOT_DS, BOOT_TSS, CR0_CD, CR0_ET, CR0_NW, CR0_PE, CR0_PG, CR4_PAE, EFER_LMA, EFER_LME,
  PDE_PAGE_SIZE, PTE_PRESENT, PTE_WRITE, RFLAGS_FIXED
} from './spec.ts'

/** The state the first processor starts in. `registers` is complete: `vcpu.setRegisters(entry.registers)` is all a board does. */
export interface BootEntry {
  readonly mode: 'long' | 'protected' | 'real'
  /** Linear address of the first instruction, for traces. */
  readonly entry: number
  readonly registers: VcpuRegisters
}

/** General registers a protocol passes values in. */
export interface EntryRegisters {
  readonly rax?: number
  readonly rbx?: number
  readonly rdx?: number
  readonly rsi?: number
}

function segment(selector: number, base: number, limit: number, attributes: number): SegmentRegister {
  return { selector, base: BigInt(base), limit, attributes }
}

function registers(entry: number, passed: EntryRegisters, code: SegmentRegister, data: SegmentRegister, gdt: number): VcpuRegisters {
  const gpr = new BigUint64Array(16)
  gpr[0] = BigInt(passed.rax ?? 0)
  gpr[2] = BigInt(passed.rdx ?? 0)
  gpr[3] = BigInt(passed.rbx ?? 0)
  gpr[6] = BigInt(passed.rsi ?? 0)
  return {
    gpr,
    rip: BigInt(entry),
    rflags: RFLAGS_FIXED,
    segments: {
      cs: code, ds: { ...data }, es: { ...data }, ss: { ...data }, fs: { ...data }, gs: { ...data },
      ldtr: segment(0, 0, 0xffff, ATTRIBUTES_LDT),
      // PVH wants a 32-bit TSS with base 0 and limit 0x67; the other protocols leave TR open.
      tr: segment(BOOT_TSS, 0, 0x67, ATTRIBUTES_TSS32_BUSY)
    },
    gdtr: { base: BigInt(gdt), limit: GDT_BYTES - 1 },
    // No vectors: an exception before the guest has set up its own is a triple fault, not a jump to garbage.
    idtr: { base: 0n, limit: 0 },
    cr0: CR0_PE | CR0_ET, cr2: 0n, cr3: 0n, cr4: 0n, cr8: 0n, efer: 0n
  }
}

const GDT_BYTES = 0x28

/** Writes the boot GDT: null, unused, __BOOT_CS, __BOOT_DS, and a TSS. Returns its address. */
function writeGdt(placement: Placement, codeAttributes: number): number {
  const gdt = placement.table('boot GDT', GDT_BYTES, 4096)
  const bytes = new Uint8Array(GDT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(BOOT_CS, flatDescriptor(codeAttributes), true)
  view.setBigUint64(BOOT_DS, flatDescriptor(ATTRIBUTES_DATA32), true)
  view.setBigUint64(BOOT_TSS, 0x0000_8b00_0000_0067n, true)
  placement.write(gdt, bytes)
  return gdt
}

/** Descriptor of a 4 GiB segment at 0: the attribute word's low byte is descriptor bits 40..47, its high nibble bits 52..55. */
function flatDescriptor(attributes: number): bigint {
  return 0x000f_0000_0000_ffffn | (BigInt(attributes & 0xff) << 40n) | (BigInt(attributes >> 8) << 52n)
}

/** Identity map of the first 4 GiB with 2 MiB pages: PML4, PDPT, four page directories. Returns CR3. */
function writePageTables(placement: Placement): number {
  const pml4 = placement.table('boot page tables', 6 * 4096, 4096)
  const bytes = new Uint8Array(6 * 4096)
  const entries = new BigUint64Array(bytes.buffer)
  const table = PTE_PRESENT | PTE_WRITE
  entries[0] = BigInt(pml4 + 4096) | table
  for (let i = 0; i < 4; i++) entries[512 + i] = BigInt(pml4 + 4096 * (2 + i)) | table
  for (let i = 0; i < 2048; i++) entries[1024 + i] = BigInt(i) << 21n | PDE_PAGE_SIZE | table
  placement.write(pml4, bytes)
  return pml4
}

/** 64-bit mode with the first 4 GiB mapped to themselves (boot.rst, "64-bit Boot Protocol"). */
export function longModeEntry(placement: Placement, entry: number, passed: EntryRegisters): BootEntry {
  const gdt = writeGdt(placement, ATTRIBUTES_CODE64)
  const state = registers(entry, passed, segment(BOOT_CS, 0, 0xffff_ffff, ATTRIBUTES_CODE64),
    segment(BOOT_DS, 0, 0xffff_ffff, ATTRIBUTES_DATA32), gdt)
  state.cr3 = BigInt(writePageTables(placement))
  state.cr0 = CR0_PE | CR0_ET | CR0_PG
  state.cr4 = CR4_PAE
  state.efer = EFER_LME | EFER_LMA
  return { mode: 'long', entry, registers: state }
}

/** 32-bit protected mode, paging off, flat segments (boot.rst, "32-bit Boot Protocol"; pvh.pandoc; Multiboot 3.2). */
export function protectedModeEntry(placement: Placement, entry: number, passed: EntryRegisters): BootEntry {
  const gdt = writeGdt(placement, ATTRIBUTES_CODE32)
  const state = registers(entry, passed, segment(BOOT_CS, 0, 0xffff_ffff, ATTRIBUTES_CODE32),
    segment(BOOT_DS, 0, 0xffff_ffff, ATTRIBUTES_DATA32), gdt)
  return { mode: 'protected', entry, registers: state }
}

/** Power-on: real mode at the reset vector, F000:FFF0 with base FFFF0000h (Intel SDM vol. 3, 11.1.4 and table 11-1). */
export function resetEntry(): BootEntry {
  const state = registers(0xfff0, {}, segment(0xf000, 0xffff_0000, 0xffff, ATTRIBUTES_CODE16),
    segment(0, 0, 0xffff, ATTRIBUTES_DATA16), 0)
  state.cr0 = CR0_CD | CR0_NW | CR0_ET
  state.gdtr = { base: 0n, limit: 0xffff }
  state.idtr = { base: 0n, limit: 0xffff }
  state.segments.tr = segment(0, 0, 0xffff, ATTRIBUTES_TSS32_BUSY)
  return { mode: 'real', entry: 0xffff_fff0, registers: state }
}

import type { Intercepts, VcpuEvent } from '@entresol/interfaces'
import type { Variant } from '../decode/variants.ts'
import { GuestFault, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostInstruction, SystemContext } from './context.ts'
import { movToControl } from './control.ts'
import { readCell, readE, registerBytes } from './operands.ts'
import { requirePort } from './ports.ts'
import { requirePrivileged } from './privilege.ts'

const IO = new Set(['IN', 'OUT', 'INS', 'OUTS'])
const isControlWrite = (variant: Variant): boolean => variant.row.encoding.startsWith('0F 22')
const isMachineStatusWrite = (variant: Variant): boolean => variant.row.mnemonic === 'LMSW' || variant.row.mnemonic === 'CLTS'

/** Decided when an instruction is decoded, so that nothing chosen costs nothing. */
export function interceptsVariant(intercepts: Intercepts, variant: Variant): boolean {
  const { mnemonic, options } = variant.row
  switch (options.intercept) {
    case 'syscall': return intercepts.syscall
    case 'sysenter': return intercepts.sysenter
    case 'cpuid': return intercepts.cpuid
    case 'rdmsr': case 'wrmsr': return intercepts.msr
    case 'hlt': return intercepts.hlt
    case 'software-interrupt': return intercepts.softwareInterrupts
    default:
  }
  if (IO.has(mnemonic)) return intercepts.io
  if (isMachineStatusWrite(variant)) return intercepts.controlRegisters
  return isControlWrite(variant) && (intercepts.controlRegisters || intercepts.pageTableBase)
}

function vectorOf(i: HostInstruction, variant: Variant): number {
  return variant.row.mnemonic === 'INT3' ? 3 : variant.row.mnemonic === 'INTO' ? 4 : Number(i.immediate & 0xffn)
}

function portEvent(c: SystemContext, i: HostInstruction, variant: Variant): VcpuEvent {
  const { mnemonic, operands, encoding } = variant.row
  const immediate = operands.includes('Ib')
  // Odd opcodes are the wide forms.
  const size = (parseInt(encoding.slice(0, 2), 16) & 1) === 0 ? 1 : variant.width === 16 ? 2 : 4
  const port = immediate ? Number(i.immediate & 0xffn) : Number(c.state.gpr(2) & 0xffffn)
  requirePort(c, port, size)
  const write = mnemonic === 'OUT' || mnemonic === 'OUTS'
  let value = 0
  if (mnemonic === 'OUT') value = Number(readCell(c, L.REGS, size))
  else if (mnemonic === 'OUTS') value = Number(c.memory.read(i.stringLinear('source', size), size, 'current', i.stackSegment))
  return { kind: 'io', port, size, write, value, nextRip: i.nextRip }
}

/** Carries out an intercepted instruction after all: what `describeIntercept` had no event for. */
export function executeIntercepted(c: SystemContext, i: HostInstruction, variant: Variant): number | void {
  return isControlWrite(variant) ? movToControl(c, i) : undefined
}

/** The event for the monitor, or undefined when this execution is not one after all. Faults that come before the event in priority are thrown. */
export function describeIntercept(c: SystemContext, i: HostInstruction, variant: Variant | undefined): VcpuEvent | undefined {
  if (!variant) return { kind: 'privileged', nextRip: i.nextRip }
  const { nextRip } = i
  const { mnemonic, options } = variant.row
  switch (options.intercept) {
    case 'cpuid': case 'syscall': case 'sysenter': return { kind: options.intercept, nextRip }
    case 'rdmsr': case 'wrmsr': case 'hlt':
      requirePrivileged(c)
      return { kind: options.intercept, nextRip }
    case 'software-interrupt':
      if (mnemonic === 'INTO' && !(c.state.eflags & L.FLAG_OF)) return undefined
      return { kind: 'software-interrupt', vector: vectorOf(i, variant), nextRip }
    default:
  }
  if (IO.has(mnemonic)) return portEvent(c, i, variant)
  requirePrivileged(c)
  if (mnemonic === 'CLTS') return { kind: 'control-register', register: 0, value: BigInt((c.state.cr0 & ~8) >>> 0), nextRip }
  if (mnemonic === 'LMSW') {
    const value = BigInt(((c.state.cr0 & ~0xe) | (Number(readE(c, i, 2)) & 0xf)) >>> 0)
    return { kind: 'control-register', register: 0, value, nextRip }
  }
  const register = i.regNumber
  if (![0, 2, 3, 4, 8].includes(register)) throw new GuestFault(UD)
  const wanted = register === 3 ? c.intercepts.pageTableBase : register !== 2 && c.intercepts.controlRegisters
  return wanted ? { kind: 'control-register', register, value: readCell(c, i.rmCell, registerBytes(c)), nextRip } : undefined
}

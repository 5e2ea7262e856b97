import type { SegmentName, Vcpu } from '@entresol/interfaces'

const GPR = ['RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI', 'R8 ', 'R9 ', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15'] as const
const ORDER = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15] as const
const SEGMENTS: readonly SegmentName[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr']
const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0')

/** One CPU's registers in the layout QEMU's users know (info registers). */
export function dumpRegisters(vcpu: Vcpu): string {
  const r = vcpu.getRegisters()
  const lines = [`CPU#${vcpu.id}`]
  for (let i = 0; i < 16; i += 4) lines.push(ORDER.slice(i, i + 4).map((n) => `${GPR[n]}=${hex(r.gpr[n]!, 16)}`).join(' '))
  const flags = Number(r.rflags)
  const letters = ([[0x400, 'D'], [0x800, 'O'], [0x80, 'S'], [0x40, 'Z'], [0x10, 'A'], [4, 'P'], [1, 'C']] as const)
    .map(([bit, letter]) => (flags & bit ? letter : '-')).join('')
  const cpl = (r.segments.ss.attributes >> 5) & 3
  lines.push(`RIP=${hex(r.rip, 16)} RFL=${hex(flags, 8)} [${letters}] CPL=${cpl}`)
  for (const name of SEGMENTS) {
    const s = r.segments[name]
    lines.push(`${name.toUpperCase().padEnd(3)}=${hex(s.selector, 4)} ${hex(s.base, 16)} ${hex(s.limit, 8)} ${hex(s.attributes, 4)}`)
  }
  lines.push(`GDT=${hex(r.gdtr.base, 16)} ${hex(r.gdtr.limit, 8)}`, `IDT=${hex(r.idtr.base, 16)} ${hex(r.idtr.limit, 8)}`)
  lines.push(`CR0=${hex(r.cr0, 8)} CR2=${hex(r.cr2, 16)} CR3=${hex(r.cr3, 16)} CR4=${hex(r.cr4, 8)} EFER=${hex(r.efer, 16)}`)
  return lines.join('\n')
}

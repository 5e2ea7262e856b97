import type { VirtualCpu } from './virtual-cpu.ts'

/**
 * One sensitive instruction and what it shows. The guest executes it and reports what it saw, or what it asked for, in EAX to port
 * `PROBE_PORT` + index; `virtual` is what the processor that the guest believes to have would have shown then. Where the two differ, the
 * instruction has escaped the monitor: it read or changed real state without trapping.
 */
export interface Probe {
  readonly instruction: string
  readonly meaning: string
  virtual(cpu: VirtualCpu): number
}

export const PROBE_PORT = 0xc0
export const IF = 0x200

/** In the order in which the guest reports. The first three are controls: they must not escape. */
export const PROBES: readonly Probe[] = [
  { instruction: 'MOV r, CR0', meaning: 'CR0', virtual: (cpu) => cpu.cr0 },
  { instruction: 'CPUID', meaning: 'EBX of leaf 0', virtual: () => 0x70617254 },
  { instruction: 'IRET to ring 0', meaning: 'IF it loads', virtual: (cpu) => cpu.interruptFlag },
  { instruction: 'PUSHF', meaning: 'IF it stores', virtual: (cpu) => cpu.interruptFlag },
  { instruction: 'POPF', meaning: 'IF it loads', virtual: (cpu) => cpu.interruptFlag },
  { instruction: 'MOV r, CS', meaning: 'selector', virtual: (cpu) => cpu.selector('cs') },
  { instruction: 'PUSH CS', meaning: 'selector', virtual: (cpu) => cpu.selector('cs') },
  { instruction: 'PUSH SS', meaning: 'selector', virtual: (cpu) => cpu.selector('ss') },
  { instruction: 'CALL FAR', meaning: 'selector it pushes', virtual: (cpu) => cpu.selector('cs') },
  { instruction: 'IRET to pushed CS', meaning: 'IF it loads', virtual: (cpu) => cpu.interruptFlag },
  { instruction: 'LAR', meaning: 'access rights of CS', virtual: (cpu) => cpu.accessRights(cpu.selector('cs')) },
  { instruction: 'LSL', meaning: 'limit of DS', virtual: (cpu) => cpu.limit(cpu.selector('ds')) },
  { instruction: 'SGDT', meaning: 'base', virtual: (cpu) => cpu.gdtr.base },
  { instruction: 'SIDT', meaning: 'base', virtual: (cpu) => cpu.idtr.base },
  { instruction: 'SLDT', meaning: 'selector', virtual: (cpu) => cpu.ldtr },
  { instruction: 'STR', meaning: 'selector', virtual: (cpu) => cpu.tr },
  { instruction: 'SMSW', meaning: 'CR0 15:0', virtual: (cpu) => cpu.cr0 & 0xffff }
]

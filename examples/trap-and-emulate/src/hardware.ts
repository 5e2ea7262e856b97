import { createCpuModel, SoftwareVcpu } from '@entresol/cpu'
import type { Bus, Clock, Gpa, InterruptSource } from '@entresol/interfaces'
import { createMachineMemory, createPageWalker, GuestPhysicalMemory } from '@entresol/mmu'

/** What the guest takes for all of its memory; segment limits keep it there. */
export const GUEST_BYTES = 0x100000
/** The monitor's own tables lie behind it, in the same address space, as they did on machines without a second page table. */
export const MONITOR_GDT = 0x110000
export const MONITOR_IDT = 0x111000
export const MONITOR_TSS = 0x112000
const RAM_BYTES = 0x200000

/** The real processor: no devices, nothing but the vCPU and its memory. */
export interface Hardware {
  readonly cpu: SoftwareVcpu
  readonly ram: GuestPhysicalMemory
  /** Port accesses that reached the real bus: none, or the monitor has a hole. */
  readonly leaks: string[]
}

export function createHardware(): Hardware {
  const codeCacheBytes = 4 << 20
  const memory = createMachineMemory({ bytes: RAM_BYTES + codeCacheBytes + (4 << 20) })
  const ram = new GuestPhysicalMemory(memory)
  ram.addRam(RAM_BYTES)
  const leaks: string[] = []
  const bus = (kind: string): Bus => ({
    read: (address) => {
      leaks.push(`${kind} read ${address.toString(16)}`)
      return 0xff
    },
    write: (address) => void leaks.push(`${kind} write ${address.toString(16)}`)
  })
  const interrupts: InterruptSource = { pending: () => false, acknowledge: () => -1 }
  const clock: Clock = { now: () => 0, wallClock: () => 0, schedule: () => ({ cancel: () => {} }) }
  const apic = { apicBase: 0xfee00900n, writeApicBase: () => true, readMsr: () => undefined, writeMsr: () => false, tpr: 0, tscDeadline: 0n }
  const cpu = new SoftwareVcpu({
    id: 0, memory, physical: ram, walker: createPageWalker(memory, ram), ports: bus('port'), mmio: bus('memory'), interrupts, apic, clock,
    random: { nextU32: () => 4 }, model: createCpuModel('x86-64-v2'), codeCacheBytes
  })
  // No port is open to ring 1: the TSS ends before its I/O permission map (SDM vol. 1, 20.5.2).
  ram.writeU16((MONITOR_TSS + 0x66) as Gpa, 0x68)
  return { cpu, ram, leaks }
}

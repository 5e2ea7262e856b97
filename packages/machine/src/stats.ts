import { vcpuCounters } from '@entresol/cpu'
import type { SoftwareVcpu, VcpuCounters } from '@entresol/cpu'
import { RemoteVcpu } from './threads/remote-vcpu.ts'

/** Counters and, by vector, exceptions and interrupts delivered. */
export interface VcpuStats extends VcpuCounters {
  readonly events: Readonly<Record<number, number>>
}

/** Sums over the vCPUs, and each of them. A vCPU in a thread of its own tells its counters at the end of a slice. */
export interface MachineStats extends VcpuStats {
  /** Bytes of guest RAM and ROM that have been touched, and of decoded code. */
  readonly memoryTouched: number
  readonly vcpus: readonly VcpuStats[]
}

function vcpuStats(vcpu: SoftwareVcpu | RemoteVcpu): VcpuStats {
  const events: Record<number, number> = {}
  vcpu.exceptionCounts.forEach((count, vector) => {
    if (count) events[vector] = count
  })
  return { ...(vcpu instanceof RemoteVcpu ? vcpu.counters : vcpuCounters(vcpu)), events }
}

/** Of at least one vCPU. */
export function machineStats(all: readonly (SoftwareVcpu | RemoteVcpu)[], memoryTouched: number): MachineStats {
  const vcpus = all.map(vcpuStats)
  const sum = vcpus.reduce((total, { events, ...counters }) => {
    const added = Object.entries(counters).map(([name, value]) => [name, value + total[name as keyof VcpuCounters]])
    const merged = { ...total.events }
    for (const [vector, count] of Object.entries(events)) merged[Number(vector)] = (merged[Number(vector)] ?? 0) + count
    return { ...Object.fromEntries(added) as VcpuCounters, events: merged }
  })
  return { ...sum, memoryTouched, vcpus }
}

import { guest } from '@entresol/guests'
import { withDebian } from './debian.ts'
import type { Load } from './loads.ts'
import { writeMixKernel } from './mix-kernel.ts'
import type { Bits, BootGuest, Command, Peer, Sample } from './peer.ts'
import { secondsBetween } from './process.ts'
import type { LoadResult } from './report.ts'
import { Session } from './session.ts'

export interface Plan {
  readonly loads: readonly Load[]
  readonly peers: readonly Peer[]
  readonly bits: readonly Bits[]
  readonly rounds: number
  /** Seconds one load may take, and reaching the shell. */
  readonly limit: number
  readonly bootLimit: number
  /** Seconds a guest may take to power off by itself before it is killed. */
  readonly grace: number
  /** Called after every sample with a line about it and everything measured so far. */
  readonly progress: (line: string, results: LoadResult[]) => void
}

type Record = (sample: Sample) => void
/** Where the next sample of a load and peer goes; undefined when there is none to take. */
type Due = (load: Load, peer: Peer) => Record | undefined

const small = { 64: 'cloud', 32: 'i386' } as const
const full = { 64: 'bench', 32: 'bench-i386' } as const

/**
 * Mitigations off: which ones a kernel chooses depends on the CPU model, and all peers are to execute the same code. Watchdogs off: a guest
 * that is stopped while others work is not stuck.
 */
const APPEND = 'quiet mitigations=off nowatchdog rcupdate.rcu_cpu_stall_suppress=1'

async function bootable(name: string, bits: Bits, memory: number, vcpus: number): Promise<BootGuest> {
  const { kernel, initrd, commandLine } = await guest(name)
  return { kernel: { image: kernel!, initrd: initrd!, append: `${commandLine!} ${APPEND}` }, bits, memory, vcpus }
}

/** Boots, does something with the session, ends it. Nothing at all for a guest the peer cannot run. */
async function inSession(peer: Peer, wanted: BootGuest, plan: Plan, use: (session: Session, booted: Sample) => Promise<void>): Promise<void> {
  const command = peer.boot(wanted)
  if ('unable' in command) return
  const { session, sample } = await Session.boot(command, plan.bootLimit)
  try {
    await use(session, sample)
  } finally {
    await session.close(plan.grace)
  }
}

async function bootLoad(peer: Peer, bits: Bits, plan: Plan, record: Record): Promise<void> {
  await inSession(peer, await bootable(small[bits], bits, 512, 1), plan, async (_, booted) => record(booted))
}

/** Debian from power-on to its login, on a disk that is new each time. */
async function loginLoad(peer: Peer, bits: Bits, plan: Plan, record: Record): Promise<void> {
  await withDebian(async debian => {
    const command = peer.boot({ disk: await debian.disk(), bits, memory: 512, vcpus: 1 })
    if (!('unable' in command)) record(await secondsBetween(command, 'SeaBIOS', 'debian login:', plan.bootLimit))
  })
}

/** Loads in Debian without its services: a shell is all that runs, and the host's servers are at hand. */
async function debianLoads(loads: readonly Load[], plan: Plan, due: Due): Promise<void> {
  if (!loads.some(load => plan.peers.some(peer => due(load, peer)))) return
  await withDebian(async debian => shellLoads(loads, plan, due, async () => ({
    kernel: { ...debian.kernel, append: `${debian.kernel.append} ${APPEND}` }, disk: await debian.disk(), bits: 64, memory: 1024, vcpus: 1
  })))
}

/** All loads inside booted guests: every peer boots once and is stopped while another one works, so that they can alternate load by load. */
async function shellLoads(loads: readonly Load[], plan: Plan, due: Due, wanted: () => Promise<BootGuest>): Promise<void> {
  const guests: { readonly peer: Peer, readonly session: Session, readonly booted: Sample }[] = []
  try {
    for (const peer of plan.peers) {
      if (!loads.some(load => due(load, peer))) continue
      const command = peer.boot(await wanted())
      if ('unable' in command) continue
      const { session, sample } = await Session.boot(command, plan.bootLimit)
      guests.push({ peer, session, booted: sample })
      session.pause(true)
    }
    for (const load of loads) for (const { peer, session, booted } of guests) {
      const record = due(load, peer)
      if (record === undefined) continue
      session.pause(false)
      if (session.answers) record(await session.run(load.command!, plan.limit, load.prepare))
      else record('value' in booted ? { failed: 'the guest no longer answers' } : booted)
      session.pause(true)
    }
  } finally {
    for (const { session } of guests) await session.close(plan.grace)
  }
}

/** The work on one vCPU, then twice at the same time on two: the value is how much more was done per second. */
async function smpLoad(load: Load, peer: Peer, bits: Bits, plan: Plan, record: Record): Promise<void> {
  const seconds = async (vcpus: number, command: string): Promise<Sample | undefined> => {
    let result: Sample | undefined
    await inSession(peer, await bootable(small[bits], bits, 512, vcpus), plan, async (session, booted) => {
      result = session.answers ? await session.run(command, plan.limit) : booted
    })
    return result
  }
  const one = await seconds(1, `sh -c '${load.command!}'`)
  const two = await seconds(2, `sh -c '( ${load.command!} ) & ( ${load.command!} ) & wait'`)
  if (one === undefined || two === undefined) return
  if ('value' in one && 'value' in two) record({ value: 2 * one.value / two.value })
  else record('failed' in one ? one : 'failed' in two ? two : { failed: `over the limit of ${plan.limit} s` })
}

async function mixLoad(peer: Peer, plan: Plan, record: Record): Promise<void> {
  const command: Command | { unable: string } = peer.multiboot(writeMixKernel())
  if (!('unable' in command)) record(await secondsBetween(command, 'BEGIN', 'END', plan.limit))
}

/** Runs the plan with the peers taking turns, so that a host that slows down slows all of them. A peer that missed a load is spared its next rounds. */
export async function runPlan(plan: Plan): Promise<void> {
  const results = plan.bits.flatMap(bits => plan.loads.filter(load => load.bits.includes(bits)).map(load => ({ load, bits, samples: new Map<string, Sample[]>() })))
  const soFar = (): LoadResult[] => results.filter(({ samples }) => samples.size > 0).map(({ load: { name, group, work, unit }, bits, samples }) => (
    { load: name, group, work, unit, bits, samples: Object.fromEntries(samples) }
  ))
  for (let round = 1; round <= plan.rounds; round++) for (const bits of plan.bits) {
    const due: Due = (load, peer) => {
      const samples = results.find(result => result.load === load && result.bits === bits)?.samples
      const own = samples?.get(peer.name) ?? []
      if (!samples || own.some(sample => !('value' in sample))) return undefined
      return sample => {
        samples.set(peer.name, [...own, sample])
        const shown = 'value' in sample ? `${sample.value.toFixed(2)} ${load.unit}` : 'over' in sample ? `over ${sample.over} s` : sample.failed
        plan.progress(`${round}/${plan.rounds} ${bits}-bit ${load.name} ${peer.name}: ${shown}`, soFar())
      }
    }
    for (const load of plan.loads) for (const peer of plan.peers) {
      const record = due(load, peer)
      if (record && load.group === 'boot') await (load.name === 'boot' ? bootLoad : loginLoad)(peer, bits, plan, record)
      if (record && load.group === 'smp') await smpLoad(load, peer, bits, plan, record)
      if (record && load.group === 'mix') await mixLoad(peer, plan, record)
    }
    const inside = (...groups: Load['group'][]): Load[] => plan.loads.filter(({ group }) => groups.includes(group))
    await shellLoads(inside('cpu', 'system'), plan, due, () => bootable(full[bits], bits, 1024, 1))
    if (bits === 64) await debianLoads(inside('disk', 'network'), plan, due)
  }
}

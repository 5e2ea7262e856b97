import { guest } from '@entresol/guests'
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
  readonly progress: (line: string) => void
}

type Record = (load: Load, sample: Sample) => void

const small = { 64: 'cloud', 32: 'i386' } as const
const full = { 64: 'bench', 32: 'bench-i386' } as const

/** Mitigations off: which ones a kernel chooses depends on the CPU model, and all peers are to execute the same code. */
async function bootable(name: string, bits: Bits, memory: number, vcpus: number): Promise<BootGuest> {
  const { kernel, initrd, commandLine } = await guest(name)
  return { kernel: kernel!, initrd: initrd!, append: `${commandLine!} quiet mitigations=off`, bits, memory, vcpus }
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

async function bootLoad(load: Load, peer: Peer, bits: Bits, plan: Plan, record: Record): Promise<void> {
  await inSession(peer, await bootable(small[bits], bits, 512, 1), plan, async (_, booted) => record(load, booted))
}

/** All loads inside one booted guest, one after the other. */
async function shellLoads(loads: readonly Load[], peer: Peer, bits: Bits, plan: Plan, record: Record): Promise<void> {
  await inSession(peer, await bootable(full[bits], bits, 1024, 1), plan, async (session, booted) => {
    for (const load of loads) {
      if (!session.answers) record(load, 'value' in booted ? { failed: 'the guest no longer answers' } : booted)
      else record(load, await session.run(load.command!, plan.limit, load.prepare))
    }
  })
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
  if ('value' in one && 'value' in two) record(load, { value: 2 * one.value / two.value })
  else record(load, 'failed' in one ? one : 'failed' in two ? two : { failed: `over the limit of ${plan.limit} s` })
}

async function mixLoad(load: Load, peer: Peer, plan: Plan, record: Record): Promise<void> {
  const command: Command | { unable: string } = peer.multiboot(writeMixKernel())
  if (!('unable' in command)) record(load, await secondsBetween(command, 'BEGIN', 'END', plan.limit))
}

/** One peer's turn in one round: every selected load of one guest width. */
async function turn(loads: readonly Load[], peer: Peer, bits: Bits, plan: Plan, record: Record): Promise<void> {
  const inside = loads.filter(({ group }) => group === 'cpu' || group === 'system')
  for (const load of loads) {
    if (load.group === 'boot') await bootLoad(load, peer, bits, plan, record)
    if (load.group === 'smp') await smpLoad(load, peer, bits, plan, record)
    if (load.group === 'mix') await mixLoad(load, peer, plan, record)
  }
  if (inside.length > 0) await shellLoads(inside, peer, bits, plan, record)
}

/** Runs the plan with the peers taking turns, so that a host that slows down slows all of them. A peer that missed a load is spared its next rounds. */
export async function runPlan(plan: Plan): Promise<LoadResult[]> {
  const results = plan.loads.flatMap(load => plan.bits.filter(bits => load.bits.includes(bits)).map(bits => (
    { load, bits, samples: new Map<string, Sample[]>() }
  )))
  const samplesOf = (load: Load, bits: Bits): Map<string, Sample[]> => results.find(result => result.load === load && result.bits === bits)!.samples
  for (let round = 1; round <= plan.rounds; round++) for (const bits of plan.bits) for (const peer of plan.peers) {
    const due = plan.loads.filter(load => {
      const last = load.bits.includes(bits) ? samplesOf(load, bits).get(peer.name)?.at(-1) : { failed: 'not for this guest' }
      return last === undefined || 'value' in last
    })
    await turn(due, peer, bits, plan, (load, sample) => {
      const samples = samplesOf(load, bits)
      samples.set(peer.name, [...samples.get(peer.name) ?? [], sample])
      const shown = 'value' in sample ? `${sample.value.toFixed(2)} ${load.unit}` : 'over' in sample ? `over ${sample.over} s` : sample.failed
      plan.progress(`${round}/${plan.rounds} ${bits}-bit ${peer.name} ${load.name}: ${shown}`)
    })
  }
  return results.map(({ load: { name, group, work, unit }, bits, samples }) => (
    { load: name, group, work, unit, bits, samples: Object.fromEntries(samples) }
  ))
}

import { createCpuModel } from '@entresol/cpu'
import type { Gpa, SegmentRegister } from '@entresol/interfaces'
import { HostClock } from '../../src/clock/host-clock.ts'
import { Platform } from '../../src/platform.ts'
import { RunLoop } from '../../src/run-loop.ts'
import { GDT, GUEST, HANDLER } from './guest-image.ts'

const INIT = 5
const STARTUP = 6
const MIB = 1 << 20
export const DATA = 0x20000
export const RESULT = 0x30000

export interface TwoCpus {
  readonly platform: Platform
  /** Runs routine `test` of guest.S on both CPUs to its end. */
  run(test: number, count: number): Promise<void>
  read(address: number): bigint
  end(): Promise<void>
}

const flat = (selector: number, attributes: number): SegmentRegister => ({ selector, base: 0n, limit: 0xffffffff, attributes })

/** Two CPUs with the guest and its tables in memory, the second in a thread of its own. */
export async function twoCpus(): Promise<TwoCpus> {
  let failure: unknown
  const clock = new HostClock(() => loop.wake())
  const platform = new Platform({
    memory: 4 * MIB, cpus: 2, model: (apicId) => createCpuModel('max', { add: [], remove: [] }, { cpus: 2, apicId }), clock, codeCacheBytes: 8 * MIB,
    extraBytes: MIB, wake: () => loop.wake(),
    threads: { clock, cpu: 'max', exited: (vcpu, exit) => void (failure = new Error(`CPU ${vcpu.id}: ${exit.reason}`)), failed: (error) => void (failure = error) },
  })
  const loop: RunLoop = new RunLoop({
    vcpus: platform.vcpus, others: platform.threads, clock,
    exited: (vcpu, exit) => void (failure = new Error(`CPU ${vcpu.id}: ${exit.reason}`)),
  })
  const { ram } = platform
  const write = (address: number, value: bigint): void => ram.writeU64(address as Gpa, value)
  const read = (address: number): bigint => ram.readU64(address as Gpa)
  await platform.threads!.start()
  platform.threads!.reset()
  ram.write(0x8000 as Gpa, GUEST)
  write(0x1000, 0x2007n)
  write(0x2000, 0x3007n)
  for (let i = 0; i < 2; i++) write(0x3000 + i * 8, BigInt(i * 0x200000) | 0x87n)
  write(0x6400, BigInt(HANDLER) | (8n << 16n) | (0x8en << 40n))
  clock.resume()
  const run = async (test: number, count: number): Promise<void> => {
    for (let at = 0x7000; at < 0x7100; at += 8) write(at, 0n)
    write(0x7000, BigInt(test))
    write(0x7008, BigInt(count))
    const first = platform.vcpus[0]!
    const r = first.getRegisters()
    first.setRegisters({
      ...r, rip: 0x8100n, rflags: 2n, cr0: 0x80000011n, cr3: 0x1000n, cr4: 0x20n, efer: 0x500n, gdtr: { base: BigInt(GDT), limit: 23 },
      segments: { ...r.segments, cs: flat(8, 0xa9b), ss: flat(0x10, 0xc93), ds: flat(0x10, 0xc93), es: flat(0x10, 0xc93) },
    })
    for (const mode of [INIT, STARTUP]) platform.apicBus.deliver(1, false, mode, mode === STARTUP ? 8 : 0, false)
    loop.start()
    platform.threads!.resume()
    while (!failure && (read(0x7010) === 0n || read(0x7018) === 0n)) await new Promise((resolve) => setTimeout(resolve, 2))
    await loop.stop()
    await platform.threads!.pause()
    if (failure) throw failure
  }
  const end = async (): Promise<void> => {
    await loop.stop()
    platform.threads!.end()
  }
  return { platform, run, read, end }
}

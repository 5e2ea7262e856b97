import type { Vcpu, VcpuExit } from '@entresol/interfaces'
import { expect, test } from 'vitest'
import { HostClock } from '../src/clock/host-clock.ts'
import { RunLoop } from '../src/run-loop.ts'

/** A CPU that sleeps, and counts how often somebody looks. */
function sleeper(): { cpu: Vcpu; looks: () => number; exit: VcpuExit } {
  let looks = 0
  const it = { exit: { reason: 'halt' } as VcpuExit, looks: () => looks, cpu: undefined as unknown as Vcpu }
  it.cpu = { run: () => {
    looks++
    return it.exit
  } } as unknown as Vcpu
  return it
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

function loopOf(cpu: Vcpu): { loop: RunLoop; clock: HostClock } {
  const clock: HostClock = new HostClock(() => loop.wake())
  const loop: RunLoop = new RunLoop({ vcpus: [cpu], clock, others: undefined, exited: () => {} })
  clock.resume()
  return { loop, clock }
}

test('a machine that waits for nothing is not looked at', async () => {
  const { cpu, looks } = sleeper()
  const { loop } = loopOf(cpu)
  loop.start()
  await pause(20)
  const before = looks()
  await pause(200)
  expect(looks()).toBe(before)
  await loop.stop()
})

test('a guest that idles between ticks of 4 ms is looked at a few times per tick, and no tick is lost', async () => {
  const { cpu, looks } = sleeper()
  const { loop, clock } = loopOf(cpu)
  let ticks = 0
  const late: number[] = []
  const tick = (deadline: number): void => void clock.schedule(deadline, () => {
    ticks++
    late.push(clock.now() - deadline)
    tick(deadline + 4e6)
  })
  const start = clock.now()
  tick(start + 4e6)
  loop.start()
  await pause(400)
  await loop.stop()
  expect(ticks).toBeGreaterThanOrEqual(Math.floor((clock.now() - start) / 4e6) - 3)
  // Turns of the event loop take some 2 µs: waiting actively for a millisecond of each tick would be hundreds of looks.
  expect(looks() / ticks).toBeLessThan(20)
  late.sort((a, b) => a - b)
  expect(late[late.length >> 1]).toBeLessThan(4e6)
})

test('a wake-up ends the sleep at once', async () => {
  const sleepy = sleeper()
  const { loop, clock } = loopOf(sleepy.cpu)
  clock.schedule(clock.now() + 60e9, () => {})
  loop.start()
  await pause(20)
  const before = sleepy.looks()
  loop.wake()
  await pause(20)
  expect(sleepy.looks()).toBeGreaterThan(before)
  await loop.stop()
})

import { expect, it } from 'vitest'
import { VirtioRng } from '../../src/rng/virtio-rng.ts'
import { plug } from '../support/plug.ts'

it('fills buffers, at most 4 KiB of one at a time (virtio 1.2, 5.4)', () => {
  let next = 0
  const { driver } = plug(new VirtioRng({ fill: (into) => into.forEach((_, i) => { into[i] = next++ }) }))
  const [queue] = driver.open(driver.offered)
  queue!.add([{ writable: 3 }, { writable: 2 }])
  queue!.add([{ writable: 5000 }])
  driver.notify(queue!)
  const [small, large] = queue!.collect()
  expect([small!.written, ...small!.data]).toEqual([5, 0, 1, 2, 3, 4])
  expect(large!.written).toBe(4096)
})

it('gives no more in a period than it may, and goes on in the next', () => {
  let now = 0
  const timers: { deadline: number; callback: () => void }[] = []
  const clock = {
    now: () => now, wallClock: () => 0,
    schedule: (deadline: number, callback: () => void) => {
      timers.push({ deadline, callback })
      return { cancel: () => {} }
    },
  }
  const { driver } = plug(new VirtioRng({ fill: (into) => into.fill(1), limit: { bytes: 10, period: 5, clock } }))
  const [queue] = driver.open(driver.offered)
  for (let i = 0; i < 3; i++) queue!.add([{ writable: 8 }])
  driver.notify(queue!)
  driver.notify(queue!)
  expect(queue!.collect().map(({ written }) => written)).toEqual([8, 2])
  expect(timers.map(({ deadline }) => deadline)).toEqual([5e6])
  now = 5e6
  timers[0]!.callback()
  expect(queue!.collect().map(({ written }) => written)).toEqual([8])
})

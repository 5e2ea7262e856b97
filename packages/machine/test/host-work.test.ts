import type { BlockBackend, Vcpu } from '@entresol/interfaces'
import { expect, test } from 'vitest'
import { HostClock } from '../src/clock/host-clock.ts'
import { TrackedBackend } from '../src/drives/tracked-backend.ts'
import { RunLoop } from '../src/run-loop.ts'

/** A back-end whose every operation takes one turn of the event loop. */
function slowBackend(): BlockBackend {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    size: 512, readOnly: false, read: turn, write: turn, writeZeroes: turn, flush: turn, discard: turn, close: () => Promise.resolve(),
    status: (_offset, length) => Promise.resolve({ length, allocated: true, zero: false }),
  }
}

test('a guest that polls for a disk hardly runs before the host has had its turn', async () => {
  // A CPU that starts a read, polls until it has come, and starts the next.
  let ready = true
  let polled = 0
  let reads = 0
  const cpu = { run: (instructions: number) => {
    if (ready) {
      ready = false
      reads++
      void disk.read(0, new Uint8Array(512)).then(() => (ready = true))
    } else polled += instructions
    if (reads === 200) loop.halt()
    return { reason: 'slice' }
  } } as unknown as Vcpu
  const loop: RunLoop = new RunLoop({ vcpus: [cpu], clock: new HostClock(() => {}), others: undefined, exited: () => {} })
  const disk = new TrackedBackend(slowBackend(), loop)
  loop.start()
  while (reads < 200) await new Promise((resolve) => setTimeout(resolve, 5))
  await loop.stop()
  // A whole slice is 100,000 instructions, a whole turn many slices.
  expect(polled / reads).toBeLessThan(100_000)
})

test('operations that fail end too', async () => {
  let running = 0
  const failing = { ...slowBackend(), read: () => Promise.reject(new Error('gone')) }
  const disk = new TrackedBackend(failing, { hostWorkBegins: () => void running++, hostWorkEnds: () => void running-- })
  await expect(disk.read(0, new Uint8Array(512))).rejects.toThrow('gone')
  await Promise.all([disk.write(0, new Uint8Array(512)), disk.flush(), disk.discard(0, 512)])
  await new Promise((resolve) => setImmediate(resolve))
  expect(running).toBe(0)
})

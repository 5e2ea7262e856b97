import type { BusDevice, Gpa, GuestMemory, Resettable, Snapshotable } from '@entresol/interfaces'
import type { Law, Suite } from '../suite.ts'
import { thrownBy } from '../support.ts'
import { VirtioDriver } from './driver.ts'
import type { DriverQueue, Element, UsedBuffer } from './driver-queue.ts'
import { HOSTILE_RINGS } from './hostile.ts'
import { FEATURE, MAGIC, MMIO, STATUS } from './spec.ts'

/** A device behind the registers of virtio-mmio, version 2. */
export type PluggedVirtio = BusDevice & Resettable & Snapshotable<unknown>

/** Something the device answers by itself. */
export interface VirtioRequest {
  readonly queue: number
  readonly elements: readonly Element[]
  /** Says what is wrong with the answer. */
  readonly judge?: (used: UsedBuffer) => string | undefined
}

export interface VirtioSubject {
  /** RAM from address 0 on, at least 4 MiB. */
  readonly memory: GuestMemory
  /** A device just powered on, wired to inert peers, over `memory`. Each call makes an independent one. */
  create(): PluggedVirtio
  /** Resolves when the host has nothing left to do for the device. */
  settle(): Promise<void>
  /** At least one; each may be made any number of times, in any order. */
  readonly requests: readonly VirtioRequest[]
}

type Violated = (detail: string) => void

const RING_VARIANTS: readonly { name: string; features: bigint }[] = [0n, FEATURE.packed].flatMap((format) =>
  [0n, FEATURE.eventIdx, FEATURE.inOrder, FEATURE.indirect | FEATURE.eventIdx | FEATURE.inOrder | FEATURE.notificationData | FEATURE.ringReset].map((more) => ({
    name: `${format === 0n ? 'split' : 'packed'}, ring features 0x${more.toString(16)}`, features: FEATURE.version1 | format | more,
  })))
const FORMATS = [FEATURE.version1, FEATURE.version1 | FEATURE.packed]
const DEVICE_FEATURES = 0xff_ffffn

/** A driver with the device's own features accepted, and those of `rings` that it offers. */
function open(subject: VirtioSubject, rings: bigint): { device: PluggedVirtio; driver: VirtioDriver; queues: DriverQueue[] } {
  const device = subject.create()
  const driver = new VirtioDriver(device, subject.memory)
  const { offered } = driver
  return { device, driver, queues: driver.open((offered & DEVICE_FEATURES) | (offered & rings)) }
}

/** Every request in turn `rounds` times, notified one by one, until all came back. */
async function makeRequests(
  { settle, requests }: VirtioSubject, driver: VirtioDriver, queues: readonly DriverQueue[], violated: Violated, rounds = 1, indirect = false,
): Promise<void> {
  const asked = new Map<DriverQueue, VirtioRequest[]>()
  const answered = new Map<DriverQueue, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const request of requests) {
      const queue = queues[request.queue]!
      const list = asked.get(queue) ?? []
      asked.set(queue, list)
      list[queue.add(request.elements, { indirect })] = request
      driver.notify(queue)
    }
    await settle()
    for (const [queue, list] of asked) {
      const used = queue.collect()
      const order = answered.get(queue) ?? []
      answered.set(queue, order)
      for (const buffer of used) {
        order.push(buffer.token)
        const problem = list[buffer.token]?.judge?.(buffer)
        if (problem !== undefined) violated(problem)
      }
      if (queue.pending.size > 0) violated(`${queue.pending.size} buffers did not come back on queue ${queue.index}`)
    }
  }
  const isOrdered = (order: readonly number[]): boolean => order.every((token, i) => i === 0 || token > order[i - 1]!)
  if ((driver.features & FEATURE.inOrder) !== 0n) for (const order of answered.values()) if (!isOrdered(order)) violated('buffers came back out of order')
  if (driver.needsReset) violated('the device asks for a reset')
}

const laws: Law<VirtioSubject>[] = [
  {
    name: 'identifies itself, and offers VERSION_1 and queues of a power of two',
    check(subject, violated) {
      const driver = new VirtioDriver(subject.create(), subject.memory)
      if (driver.get(MMIO.magic) !== MAGIC || driver.get(MMIO.version) !== 2) violated('magic value or version')
      if (!(driver.get(MMIO.deviceId) > 0)) violated(`device ID ${driver.get(MMIO.deviceId)}`)
      if ((driver.offered & FEATURE.version1) === 0n) violated('no VERSION_1')
      driver.set(MMIO.deviceFeaturesSel, 2)
      if (driver.get(MMIO.deviceFeatures) !== 0) violated('features beyond 63')
      for (let queue = 0; queue < driver.queueCount; queue++) {
        const size = driver.maximum(queue)
        if (size > 32768 || (size & (size - 1)) !== 0) violated(`queue ${queue} has up to ${size} entries`)
      }
      if (driver.maximum(0xfff0) > 0) violated('a queue 65520')
    },
  },
  {
    name: 'accepts what it offers, refuses what it does not, and wants VERSION_1',
    check(subject, violated) {
      const driver = new VirtioDriver(subject.create(), subject.memory)
      const { offered } = driver
      if (!driver.begin(offered & ~FEATURE.packed) || !driver.begin(offered)) violated('refused what it offers')
      for (let bit = 0n; bit < 64n; bit++) {
        if ((offered & (1n << bit)) === 0n && driver.begin(FEATURE.version1 | (1n << bit))) violated(`accepted feature ${bit}, which it does not offer`)
      }
      if (driver.begin(0n)) violated('accepted no features at all')
    },
  },
  {
    name: 'keeps status bits until a write of zero, which clears everything',
    check(subject, violated) {
      const { driver } = open(subject, FEATURE.version1)
      const all = STATUS.acknowledge | STATUS.driver | STATUS.featuresOk | STATUS.driverOk
      if (driver.status !== all) violated(`status ${driver.status}`)
      driver.set(MMIO.driverFeaturesSel, 0)
      driver.set(MMIO.driverFeatures, 0xffff_ffff)
      if (driver.status !== all) violated('features written late changed the status')
      driver.set(MMIO.status, 0)
      driver.set(MMIO.queueSel, 0)
      if (driver.status !== 0 || driver.get(MMIO.queueReady) !== 0 || driver.get(MMIO.interruptStatus) !== 0) violated('not as after power-on')
      driver.set(MMIO.status, STATUS.driverOk)
      if ((driver.status & STATUS.driverOk) !== 0) violated('DRIVER_OK without FEATURES_OK')
    },
  },
  ...RING_VARIANTS.map(({ name, features }): Law<VirtioSubject> => ({
    name: `gives every buffer back once, with its answer (${name})`,
    async check(subject, violated) {
      for (const indirect of (features & FEATURE.indirect) !== 0n ? [false, true] : [false]) {
        const { driver, queues } = open(subject, features)
        // Enough for the rings to wrap around.
        await makeRequests(subject, driver, queues, violated, Math.ceil(200 / subject.requests.length), indirect && (driver.features & FEATURE.indirect) !== 0n)
      }
    },
  })),
  {
    name: 'finds buffers that were there before DRIVER_OK, and none before it',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const driver = new VirtioDriver(subject.create(), subject.memory)
        if (!driver.begin(format & driver.offered)) continue
        const queues = Array.from({ length: driver.queueCount }, (_, index) => driver.enable(index))
        const { queue, elements } = subject.requests[0]!
        queues[queue]!.add(elements)
        driver.notify(queues[queue]!)
        await subject.settle()
        if (queues[queue]!.collect().length > 0) violated('used a buffer before DRIVER_OK')
        driver.start()
        driver.notify(queues[queue]!)
        await subject.settle()
        if (queues[queue]!.collect().length !== 1) violated('did not use a buffer from before DRIVER_OK')
      }
    },
  },
  {
    name: 'interrupts for used buffers when asked to, and not when asked not to',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const { driver, queues } = open(subject, format)
        const { queue: index, elements } = subject.requests[0]!
        const queue = queues[index]!
        const interruptsOnce = async (): Promise<boolean> => {
          queue.add(elements)
          driver.notify(queue)
          await subject.settle()
          queue.collect()
          return (driver.interrupts() & 1) !== 0
        }
        queue.wantInterrupts('always')
        if (!(await interruptsOnce())) violated('no interrupt')
        if (driver.get(MMIO.interruptStatus) !== 0) violated('the interrupt stays after it was acknowledged')
        queue.wantInterrupts('never')
        if (await interruptsOnce()) violated('an interrupt that was not wanted')
      }
    },
  },
  {
    name: 'EVENT_IDX: interrupts when the named buffer is used, and asks for notifications whenever it waits',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const { driver, queues } = open(subject, format | FEATURE.eventIdx)
        if ((driver.features & FEATURE.eventIdx) === 0n) continue
        const { queue: index, elements } = subject.requests[0]!
        const queue = queues[index]!
        const slots = (format & FEATURE.packed) !== 0n ? elements.length : 1
        for (let lap = 0; lap < 80; lap++) {
          queue.wantInterrupts({ after: 2 * slots + 1 })
          const seen: boolean[] = []
          for (let i = 0; i < 3; i++) {
            queue.add(elements)
            if (!queue.isNotificationWanted) violated('a notification was not wanted by a device that waits')
            driver.notify(queue)
            await subject.settle()
            seen.push((driver.interrupts() & 1) !== 0)
          }
          queue.collect()
          if (seen.join() !== 'false,false,true') return violated(`interrupts after each of three buffers: ${seen.join()}`)
        }
      }
    },
  },
  {
    name: 'needs a reset after every hostile ring, says so once, stops, and works after the reset',
    async check(subject, violated) {
      for (const { what, format, indirect, put } of HOSTILE_RINGS) {
        const device = subject.create()
        const driver = new VirtioDriver(device, subject.memory)
        const rings = FEATURE.version1 | (format === 'packed' ? FEATURE.packed : 0n) | (indirect ? FEATURE.indirect : 0n)
        if ((rings & ~driver.offered) !== 0n) continue
        const features = rings | (driver.offered & DEVICE_FEATURES)
        const queues = driver.open(features)
        const queue = queues[subject.requests[0]!.queue]!
        driver.interrupts()
        put(driver, queue)
        const error = thrownBy(() => driver.notify(queue))
        if (error !== undefined) violated(`${what} (${format}): threw ${String(error)}`)
        await subject.settle()
        if (!driver.needsReset) violated(`${what} (${format}): not noticed`)
        if ((driver.interrupts() & 2) === 0) violated(`${what} (${format}): no configuration change interrupt`)
        for (const other of queues) driver.notify(other)
        await subject.settle()
        if (driver.interrupts() !== 0) violated(`${what} (${format}): interrupts after the failure`)
        await makeRequests(subject, driver, driver.open(features), (detail) => violated(`after ${what} (${format}): ${detail}`))
      }
    },
  },
  {
    name: 'a queue cannot be where there is no memory, unaligned, or of a size it does not have',
    check(subject, violated) {
      const wrong: [string, (driver: VirtioDriver) => void][] = [
        ['its descriptors where there is no memory', (driver) => driver.set(MMIO.queueDesc + 4, 0x100)],
        ['its driver area where there is no memory', (driver) => driver.set(MMIO.queueDriver, 0xffff_f000)],
        ['its device area where there is no memory', (driver) => driver.set(MMIO.queueDevice + 4, 0xffff_ffff)],
        ['its descriptors at an odd address', (driver) => driver.set(MMIO.queueDesc, 0x20001)],
        ['no entries', (driver) => driver.set(MMIO.queueNum, 0)],
        ['twice as many entries as there can be', (driver) => driver.set(MMIO.queueNum, 2 * driver.maximum(0))],
        ['three entries', (driver) => driver.set(MMIO.queueNum, 3)],
      ]
      for (const [what, spoil] of wrong) {
        const driver = new VirtioDriver(subject.create(), subject.memory)
        driver.begin(FEATURE.version1)
        driver.set(MMIO.queueSel, 0)
        driver.set(MMIO.queueNum, driver.maximum(0))
        for (const [at, register] of [MMIO.queueDesc, MMIO.queueDriver, MMIO.queueDevice].entries()) driver.set(register, 0x100000 * (at + 1))
        spoil(driver)
        driver.set(MMIO.queueReady, 1)
        if (!driver.needsReset || driver.get(MMIO.queueReady) !== 0) violated(`accepted a queue with ${what}`)
      }
    },
  },
  {
    name: 'a queue stays where it is while it is live, whatever is written to its registers',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const { driver, queues } = open(subject, format)
        driver.set(MMIO.queueSel, subject.requests[0]!.queue)
        for (const register of [MMIO.queueDesc, MMIO.queueDriver, MMIO.queueDevice]) driver.set(register, 0x30_0000)
        driver.set(MMIO.queueNum, 1)
        await makeRequests(subject, driver, queues, violated)
      }
    },
  },
  {
    name: 'RING_RESET: a queue that was reset is silent, and works at another place',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const { driver, queues } = open(subject, format | FEATURE.ringReset)
        if ((driver.features & FEATURE.ringReset) === 0n) continue
        await makeRequests(subject, driver, queues, violated)
        const { queue: index, elements } = subject.requests[0]!
        const old = queues[index]!
        driver.resetQueue(index)
        if (driver.get(MMIO.queueReset) !== 0 || driver.get(MMIO.queueReady) !== 0) violated('the reset does not end')
        old.add(elements)
        driver.notify(old)
        await subject.settle()
        if (old.collect().length > 0) violated('used a buffer of a queue that was reset')
        queues[index] = driver.enable(index)
        await makeRequests(subject, driver, queues, violated)
      }
    },
  },
  {
    name: 'after a reset nothing is written to guest memory any more',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const { device, driver, queues } = open(subject, format)
        for (const { queue, elements } of subject.requests) {
          queues[queue]!.add(elements)
          driver.notify(queues[queue]!)
        }
        device.reset()
        const before = new Uint8Array(2 ** 20)
        const after = new Uint8Array(2 ** 20)
        subject.memory.read(0 as Gpa, before)
        await subject.settle()
        subject.memory.read(0 as Gpa, after)
        if (before.some((byte, at) => byte !== after[at])) violated('memory changed after the reset')
      }
    },
  },
  {
    name: 'a restored device goes on with buffers nobody had answered',
    async check(subject, violated) {
      for (const format of FORMATS) {
        const { device, driver, queues } = open(subject, format | FEATURE.eventIdx)
        await makeRequests(subject, driver, queues, violated)
        const { queue: index, elements } = subject.requests[0]!
        queues[index]!.add(elements)
        const state = structuredClone(device.save())
        device.reset()
        const copy = subject.create()
        copy.restore(state)
        await subject.settle()
        const again = new VirtioDriver(copy, subject.memory)
        if (again.status !== 15) violated(`status ${again.status} after restore`)
        if (queues[index]!.collect().length !== 1) violated('the buffer did not come back')
      }
    },
  },
]

/** Laws of a virtio device, of its rings and of its transport, driven over virtio-mmio with both formats of rings. */
export const virtioSuite: Suite<VirtioSubject> = { name: 'virtio', laws }

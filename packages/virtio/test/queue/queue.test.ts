import { VIRTIO_FEATURE as F, VIRTIO_MMIO as R } from '@entresol/compliance'
import type { DescriptorChain, Gpa, VirtioDevice, Virtqueue } from '@entresol/interfaces'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plug } from '../support/plug.ts'

/** Hands its queues to the test. */
class Bare implements VirtioDevice<object> {
  readonly name = 'bare'
  readonly snapshotVersion = 1
  readonly deviceId = 63
  readonly features = 0n
  readonly queueSizes = [256]
  readonly config = new Uint8Array(0)
  queue: Virtqueue | undefined
  notifications = 0

  attach(): void {}
  writeConfig(): void {}
  activate(_features: bigint, [queue]: readonly Virtqueue[]): void { this.queue = queue }
  notified(): void { this.notifications++ }
  resetQueue(): void {}
  enabledQueue(): void {}
  reset(): void { this.queue = undefined }
  save(): object { return {} }
  restore(): void { this.reset() }
}

function opened(features: bigint, size = 64) {
  const device = new Bare()
  const { driver, mmio, memory } = plug(device)
  driver.begin(F.version1 | features)
  const ring = driver.enable(0, size)
  driver.start()
  return { device, driver, mmio, memory, ring, pop: (): DescriptorChain => device.queue!.pop()! }
}

const FORMATS = [['split', 0n], ['packed', F.packed]] as const

describe.each(FORMATS)('a %s queue', (_name, format) => {
  it('shows a buffer as one run of bytes, however it is cut', () => {
    fc.assert(fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }),
      fc.nat(260), fc.nat(260), fc.boolean(),
      (readable, writable, offset, length, indirect) => {
        const { ring, pop } = opened(format | F.indirect)
        const bytes = Uint8Array.from({ length: readable.reduce((a, b) => a + b, 0) }, (_, i) => i + 1)
        let at = 0
        ring.add([...readable.map((n) => ({ readable: bytes.slice(at, at += n) })), ...writable.map((n) => ({ writable: n }))], { indirect })
        const chain = pop()
        expect(chain.readableLength).toBe(bytes.length)
        const into = new Uint8Array(length).fill(0xee)
        const copied = chain.read(offset, into)
        expect(into.subarray(0, copied)).toEqual(bytes.slice(offset, offset + length))
        expect(chain.readU32(offset)).toBe([3, 2, 1, 0].reduce((value, i) => value * 256 + (bytes[offset + i] ?? 0), 0))
        const room = writable.reduce((a, b) => a + b, 0)
        expect(chain.write(offset, into)).toBe(Math.max(0, Math.min(length, room - offset)))
        chain.writeU32(0, 0x04030201)
      },
    ), { numRuns: 60 })
  })

  it('gives buffers out once, dead after push', () => {
    const { device, ring, pop } = opened(format)
    ring.add([{ readable: Uint8Array.of(1, 2) }, { writable: 4 }])
    const chain = pop()
    expect(device.queue!.pop()).toBeUndefined()
    expect(device.queue!.empty).toBe(true)
    device.queue!.push(chain, 99)
    device.queue!.push(chain, 1)
    expect([chain.readableLength, chain.write(0, Uint8Array.of(1))]).toEqual([0, 0])
    expect(ring.collect()).toEqual([])
    device.queue!.publish()
    expect(ring.collect().map(({ written }) => written)).toEqual([4])
  })

  it('shows nothing pushed before publish, then all of it at once', () => {
    const { device, driver, ring, pop } = opened(format)
    for (let i = 0; i < 5; i++) ring.add([{ writable: 1 }])
    for (let i = 0; i < 5; i++) device.queue!.push(pop(), 1)
    expect(ring.collect()).toEqual([])
    device.queue!.publish()
    expect(ring.collect().length).toBe(5)
    expect([driver.interrupts(), driver.interrupts()]).toEqual([1, 0])
  })

  it('with IN_ORDER keeps what was pushed early until its turn', () => {
    const { device, ring, pop } = opened(format | F.inOrder)
    for (let i = 0; i < 3; i++) ring.add([{ writable: 1 }])
    const [first, second, third] = [pop(), pop(), pop()]
    device.queue!.push(third, 1)
    device.queue!.push(second, 1)
    device.queue!.publish()
    expect(ring.collect()).toEqual([])
    device.queue!.push(first, 1)
    device.queue!.publish()
    expect(ring.collect().map(({ token }) => token)).toEqual([0, 1, 2])
  })

  it('uses buffers out of order without IN_ORDER', () => {
    const { device, ring, pop } = opened(format)
    for (let i = 0; i < 3; i++) ring.add([{ readable: Uint8Array.of(1) }, { writable: 1 }])
    const chains = [pop(), pop(), pop()]
    for (const i of [2, 0, 1]) device.queue!.push(chains[i]!, 1)
    device.queue!.publish()
    expect(ring.collect().map(({ token }) => token)).toEqual([2, 0, 1])
  })

  it('finds its buffers dead after a reset of the device, and of the queue', () => {
    for (const reset of ['device', 'queue'] as const) {
      const { device, driver, ring, pop, memory } = opened(format | F.ringReset)
      ring.add([{ writable: 8 }])
      const chain = pop()
      if (reset === 'device') driver.set(R.status, 0)
      else driver.resetQueue(0)
      expect([chain.write(0, Uint8Array.of(1)), chain.writableLength]).toEqual([0, 0])
      device.queue?.push(chain, 1)
      device.queue?.publish()
      expect(ring.collect()).toEqual([])
      expect(memory.readU16((ring.place.device + 2) as Gpa)).toBe(0)
    }
  })

  it('says whether it wants notifications', () => {
    const { device, memory, ring } = opened(format)
    const flags = (): number => memory.readU16((ring.place.device + (format === 0n ? 0 : 2)) as Gpa)
    expect(flags()).toBe(0)
    device.queue!.setNotifications(false)
    expect(flags()).toBe(1)
    device.queue!.setNotifications(true)
    expect(flags()).toBe(0)
  })
})

it('a packed queue may have any size', () => {
  for (const size of [1, 3, 7, 100]) {
    const { device, ring, pop } = opened(F.packed | F.eventIdx, size)
    for (let i = 0; i < 40; i++) {
      ring.add([{ writable: 2 }])
      const chain = pop()
      chain.writeU16(0, i)
      device.queue!.push(chain, 2)
      device.queue!.publish()
      expect(ring.collect().map(({ data }) => data[0])).toEqual([i])
    }
  }
})

it('a split queue goes on over the end of its 16-bit indices', () => {
  const { device, mmio, ring, memory } = opened(F.eventIdx)
  const state = mmio.save()
  Object.assign(state.core.queues[0]!.ring[0]!, { available: 65533, used: 65533 })
  mmio.restore(state)
  const heads = Array.from({ length: 6 }, (_, i) => i)
  for (const head of heads) {
    memory.writeU64((ring.place.descriptors + 16 * head) as Gpa, 0x30000n)
    memory.writeU32((ring.place.descriptors + 16 * head + 8) as Gpa, 16)
    memory.writeU16((ring.place.descriptors + 16 * head + 12) as Gpa, 2)
    memory.writeU16((ring.place.driver + 4 + 2 * ((65533 + head) % 64)) as Gpa, head)
  }
  memory.writeU16((ring.place.driver + 2) as Gpa, (65533 + 6) & 0xffff)
  for (const head of heads) {
    const chain = device.queue!.pop()!
    expect(chain.writableLength).toBe(16)
    device.queue!.push(chain, head)
  }
  device.queue!.publish()
  expect(device.queue!.pop()).toBeUndefined()
  expect(memory.readU16((ring.place.device + 2) as Gpa)).toBe(3)
  expect(heads.map((head) => memory.readU32((ring.place.device + 4 + 8 * ((65533 + head) % 64)) as Gpa))).toEqual(heads)
})

import { describe, expect, it } from 'vitest'
import { VirtioRng } from '../../src/rng/virtio-rng.ts'
import * as spec from '../../src/transport/pci/spec.ts'
import { VirtioPci } from '../../src/transport/pci/virtio-pci.ts'
import { guestMemory } from '../support/plug.ts'

const QUEUE_AT = 0x10000

function plugged(isMsix: boolean) {
  const memory = guestMemory()
  const messages: number[] = []
  const pin = { level: false }
  const interrupts = { isMsix, vectors: 2, message: (vector: number) => void messages.push(vector), pin: { set: (asserted: boolean) => { pin.level = asserted } } }
  const pci = new VirtioPci({ device: new VirtioRng({ fill: (into) => into.fill(1) }), memory, interrupts })
  const start = (features = 1n << 32n): void => {
    for (const select of [0, 1]) {
      pci.write(spec.DRIVER_FEATURE_SELECT, 4, select)
      pci.write(spec.DRIVER_FEATURE, 4, Number((features >> BigInt(32 * select)) & 0xffff_ffffn))
    }
    for (const status of [1, 3, 11]) pci.write(spec.DEVICE_STATUS, 1, status)
    for (const [i, at] of [0, 0x1000, 0x2000].entries()) pci.write(spec.QUEUE_DESC + 8 * i, 4, QUEUE_AT + at)
    pci.write(spec.QUEUE_MSIX_VECTOR, 2, 1)
    pci.write(spec.CONFIG_MSIX_VECTOR, 2, 0)
    pci.write(spec.QUEUE_ENABLE, 2, 1)
    pci.write(spec.DEVICE_STATUS, 1, 15)
  }
  /** One buffer of 16 bytes, by the queue's notification address. */
  const ask = (index: number): void => {
    memory.writeU64(QUEUE_AT as never, 0x20000n)
    memory.writeU32((QUEUE_AT + 8) as never, 16)
    memory.writeU32((QUEUE_AT + 12) as never, 2)
    memory.writeU16((QUEUE_AT + 0x1004) as never, 0)
    memory.writeU16((QUEUE_AT + 0x1002) as never, index)
    pci.write(spec.NOTIFY_AT + (pci.read(spec.QUEUE_NOTIFY_OFF, 2) as number) * spec.NOTIFY_MULTIPLIER, 2, 0)
  }
  return { pci, memory, messages, pin, interrupts, start, ask }
}

describe('virtio over PCI (virtio 1.2, 4.1)', () => {
  it('has structures that do not overlap and lie inside the BAR', () => {
    const { pci } = plugged(true)
    const ranges = pci.capabilities.map(({ offset, length }) => ({ offset, end: offset + length })).sort((a, b) => a.offset - b.offset)
    for (const [i, range] of ranges.entries()) expect(range.end).toBeLessThanOrEqual(ranges[i + 1]?.offset ?? pci.length)
  })

  it('serves a queue and sends its message', () => {
    const { start, ask, messages, memory, pin } = plugged(true)
    start()
    ask(1)
    expect(memory.readU16((QUEUE_AT + 0x2002) as never)).toBe(1)
    expect(memory.readU8(0x20000 as never)).toBe(1)
    expect([messages, pin.level]).toEqual([[1], false])
  })

  it('without MSI-X asserts its pin until the ISR is read', () => {
    const { pci, start, ask, messages, pin } = plugged(false)
    start()
    ask(1)
    expect([messages, pin.level]).toEqual([[], true])
    expect(pci.read(spec.ISR_AT, 1)).toBe(1)
    expect([pci.read(spec.ISR_AT, 1), pin.level]).toEqual([0, false])
  })

  it('tells of a failure by the configuration vector and the ISR', () => {
    const { pci, start, memory, messages } = plugged(true)
    start()
    memory.writeU16((QUEUE_AT + 0x1002) as never, 60000)
    pci.write(spec.NOTIFY_AT, 2, 0)
    expect((pci.read(spec.DEVICE_STATUS, 1) as number) & 64).toBe(64)
    expect([messages, pci.read(spec.ISR_AT, 1)]).toEqual([[0], 2])
  })

  it('reads a vector back as none where there is none', () => {
    const { pci } = plugged(true)
    for (const [vector, stored] of [[1, 1], [2, 0xffff], [0xffff, 0xffff]] as const) {
      pci.write(spec.QUEUE_MSIX_VECTOR, 2, vector)
      expect(pci.read(spec.QUEUE_MSIX_VECTOR, 2)).toBe(stored)
    }
  })

  it('takes each field at its own width only', () => {
    const { pci } = plugged(true)
    expect(pci.read(spec.DEVICE_STATUS, 4)).toBe('bad-size')
    expect(pci.read(spec.QUEUE_SIZE, 1)).toBe('bad-size')
    expect(pci.read(spec.QUEUE_DESC + 4, 4)).toBe(0)
    expect(pci.read(spec.COMMON_BYTES, 2)).toBe('no-register')
  })

  it('resets one queue, whose size is the largest again', () => {
    const { pci, start, ask, memory } = plugged(true)
    pci.write(spec.QUEUE_SIZE, 2, 32)
    start((1n << 32n) | (1n << 40n))
    ask(1)
    pci.write(spec.QUEUE_RESET, 2, 1)
    expect([pci.read(spec.QUEUE_ENABLE, 2), pci.read(spec.QUEUE_RESET, 2), pci.read(spec.QUEUE_SIZE, 2)]).toEqual([0, 0, 64])
    ask(2)
    expect(memory.readU16((QUEUE_AT + 0x2002) as never)).toBe(1)
  })

  it('shows no queue where there is none', () => {
    const { pci } = plugged(true)
    pci.write(spec.QUEUE_SELECT, 2, 1)
    expect([pci.read(spec.QUEUE_SIZE, 2), pci.read(spec.NUM_QUEUES, 2)]).toEqual([0, 1])
    pci.write(spec.QUEUE_ENABLE, 2, 1)
    expect(pci.read(spec.QUEUE_ENABLE, 2)).toBe(0)
  })
})

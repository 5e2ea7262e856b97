import { blockBackendSuite, describeSuite, networkPortSuite, virtioSuite } from '@entresol/compliance'
import type { NetworkPortSubject, VirtioSubject } from '@entresol/compliance'
import { createMachineMemory, GuestPhysicalMemory } from '@entresol/mmu'
import { VirtioMmio } from '@entresol/virtio'
import { describe, expect, it } from 'vitest'
import { ChunkedDisk, ETHERTYPE_LOOPBACK, LOOPBACK_FORWARD, LOOPBACK_REPLY, LoopbackStation, VirtioStopwatch } from '../src/index.ts'

describe('a disk of chunks', () => {
  describeSuite(blockBackendSuite, () => ({ backend: new ChunkedDisk(1 << 20) }), { describe, it })
  describeSuite(blockBackendSuite, () => ({ backend: new ChunkedDisk(1 << 20, true) }), { describe, it })

  it('takes and gives back memory by the chunk, and says where there is something', async () => {
    const disk = new ChunkedDisk(1 << 20)
    await disk.write(65536 + 512, new Uint8Array(512).fill(1))
    expect(disk.taken).toBe(65536)
    expect(await disk.status(0, 1 << 20)).toEqual({ length: 65536, allocated: false, zero: true })
    expect(await disk.status(65536, 512)).toEqual({ length: 512, allocated: true, zero: false })
    await disk.discard(0, 1 << 20)
    expect(disk.taken).toBe(0)
  })
})

const STATION = Uint8Array.of(2, 0, 0, 0, 0, 1)
const GUEST = Uint8Array.of(2, 0, 0, 0, 0, 2)
const words = (...values: number[]): number[] => values.flatMap((value) => [value & 0xff, value >> 8])

/** Asks the station to forward the rest to us: a reply with a receipt number. */
const request = (number: number): Uint8Array =>
  Uint8Array.from([...STATION, ...GUEST, ETHERTYPE_LOOPBACK >> 8, ETHERTYPE_LOOPBACK & 0xff, ...words(0, LOOPBACK_FORWARD), ...GUEST, ...words(LOOPBACK_REPLY, number)])

function answered(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const isReply = frame.length === 28 && view.getUint16(12) === ETHERTYPE_LOOPBACK && view.getUint16(14, true) === 8 && view.getUint16(24, true) === LOOPBACK_REPLY
  return isReply && GUEST.every((byte, i) => frame[i] === byte) ? view.getUint16(26, true) : undefined
}

describe('a loopback station', () => {
  describeSuite(networkPortSuite, (): NetworkPortSubject => ({ port: new LoopbackStation(STATION), request, answered, settle: () => undefined }), { describe, it })
})

describe('a stopwatch on virtio', () => {
  describeSuite(virtioSuite, (): VirtioSubject => {
    const memory = new GuestPhysicalMemory(createMachineMemory({ bytes: 8 << 20 }))
    memory.addRam(4 << 20)
    const clock = { now: () => 1000, wallClock: () => 0, schedule: () => ({ cancel: () => undefined }) }
    return {
      memory, create: () => new VirtioMmio({ device: new VirtioStopwatch(clock), memory, line: { set: () => undefined } }),
      settle: () => Promise.resolve(),
      requests: [
        { queue: 0, elements: [{ readable: Uint8Array.of(0) }, { writable: 8 }], judge: ({ data }) => (data.every((byte) => byte === 0) ? undefined : 'not started anew') },
        { queue: 0, elements: [{ writable: 8 }], judge: ({ written }) => (written === 8 ? undefined : `${written} bytes of time`) },
      ],
    }
  }, { describe, it })
})

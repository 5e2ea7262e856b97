import { busDeviceSuite, describeSuite, type VirtioRequest, virtioSuite } from '@entresol/compliance'
import type { VirtioDevice } from '@entresol/interfaces'
import { describe, it } from 'vitest'
import * as blk from '../../src/blk/spec.ts'
import { VirtioBlk } from '../../src/blk/virtio-blk.ts'
import { VirtioConsole } from '../../src/console/virtio-console.ts'
import { VirtioRng } from '../../src/rng/virtio-rng.ts'
import { VirtioPci } from '../../src/transport/pci/virtio-pci.ts'
import { request } from '../blk/request.ts'
import { guestMemory, plug, settle, TestDisk } from '../support/plug.ts'

const status = (wanted: number) => ({ data }: { data: Uint8Array }): string | undefined =>
  data.at(-1) === wanted ? undefined : `status ${data.at(-1)}`
const peer = { write: () => {}, onData: () => {}, resume: () => {} }

const devices: { name: string; create: () => VirtioDevice; requests: VirtioRequest[] }[] = [
  {
    name: 'disk',
    create: () => new VirtioBlk({ backend: new TestDisk(), serial: 'serial', queues: 2 }),
    requests: [
      { queue: 0, elements: request(blk.T_GET_ID, 0, { room: 20 }), judge: status(blk.S_OK) },
      { queue: 1, elements: request(blk.T_IN, 8, { room: 1024 }), judge: status(blk.S_OK) },
      { queue: 0, elements: request(blk.T_OUT, 16, { data: new Uint8Array(512) }), judge: status(blk.S_OK) },
      { queue: 0, elements: request(blk.T_FLUSH), judge: status(blk.S_OK) },
    ],
  },
  {
    name: 'entropy',
    create: () => new VirtioRng({ fill: (into) => into.fill(7) }),
    requests: [{ queue: 0, elements: [{ writable: 16 }, { writable: 3 }], judge: ({ data }) => (data.every((byte) => byte === 7) ? undefined : 'not filled') }],
  },
  {
    name: 'console',
    create: () => new VirtioConsole({ ports: [{ port: peer }, { port: peer, name: 'second' }] }),
    requests: [{ queue: 1, elements: [{ readable: Uint8Array.of(1, 2, 3) }] }, { queue: 5, elements: [{ readable: Uint8Array.of(4) }] }],
  },
]

for (const { name, create, requests } of devices) {
  describe(name, () => {
    const memory = guestMemory()
    describeSuite(virtioSuite, () => ({ memory, create: () => plug(create(), memory).mmio, settle, requests }), { describe, it })
    describeSuite(busDeviceSuite, () => ({
      create: () => plug(create(), guestMemory()).mmio, vocabulary: [1, 3, 11, 15, 0x1000, 0x2000, 0x3000, 64, 128], accesses: 500,
    }), { describe, it })
    describeSuite(busDeviceSuite, () => ({
      create: () => new VirtioPci({
        device: create(), memory: guestMemory(), interrupts: { isMsix: false, vectors: 4, message: () => {}, pin: { set: () => {} } },
      }),
      vocabulary: [1, 3, 11, 15, 0x1000, 0x2000, 0x3000, 64, 128], accesses: 500,
    }), { describe, it })
  })
}

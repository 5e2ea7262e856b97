import { describeSuite, type VirtioRequest, virtioSuite } from '@entresol/compliance'
import type { VirtioDevice } from '@entresol/interfaces'
import type { GuestPhysicalMemory } from '@entresol/mmu'
import { describe, it } from 'vitest'
import { MemoryFileTree, VirtioNineP } from '../../src/9p/index.ts'
import { TVERSION } from '../../src/9p/spec.ts'
import { MessageWriter } from '../../src/9p/wire.ts'
import { VirtioBalloon } from '../../src/balloon/index.ts'
import { VirtioGpu } from '../../src/gpu/index.ts'
import { CMD_GET_DISPLAY_INFO, RESP_OK_DISPLAY_INFO } from '../../src/gpu/spec.ts'
import { VirtioKeyboard } from '../../src/input/index.ts'
import { VirtioNet } from '../../src/net/index.ts'
import { CTRL_RX, HDR_BYTES, OK } from '../../src/net/spec.ts'
import { VirtioVsock } from '../../src/vsock/index.ts'
import { FakePort, MAC, tcp4 } from '../net/card.ts'
import { guestMemory, plug, settle } from '../support/plug.ts'

const word = (value: number, bytes: number): Uint8Array => {
  const all = new Uint8Array(bytes)
  new DataView(all.buffer).setUint32(0, value, true)
  return all
}
const starts = (value: number) => ({ data }: { data: Uint8Array }): string | undefined => {
  const type = new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  return type === value ? undefined : `answer ${type}`
}

const devices: { name: string; create: (memory: GuestPhysicalMemory) => VirtioDevice; requests: VirtioRequest[] }[] = [
  {
    name: 'network card',
    create: () => new VirtioNet({ port: new FakePort(), mac: MAC, queuePairs: 2 }),
    requests: [
      { queue: 1, elements: [{ readable: new Uint8Array(HDR_BYTES) }, { readable: tcp4(100) }] },
      { queue: 3, elements: [{ readable: new Uint8Array([...new Uint8Array(HDR_BYTES), ...tcp4(0)]) }] },
      { queue: 4, elements: [{ readable: Uint8Array.of(CTRL_RX, 0) }, { readable: Uint8Array.of(1) }, { writable: 1 }], judge: ({ data }) => (data[0] === OK ? undefined : 'refused') },
    ],
  },
  {
    name: '9p',
    create: () => new VirtioNineP({ tree: new MemoryFileTree(), tag: 'tag' }),
    requests: [{
      queue: 0, elements: [{ readable: new MessageWriter(TVERSION, 1).u32(8192).string('9P2000.L').finish() }, { writable: 100 }],
      judge: ({ data }) => (data[4] === TVERSION + 1 ? undefined : `answer of type ${data[4]}`),
    }],
  },
  {
    name: 'balloon',
    create: (memory) => new VirtioBalloon({ pages: memory }),
    // A page beyond the guest's memory: the driver's own pages must stay.
    requests: [{ queue: 0, elements: [{ readable: word(0xfffff, 4) }] }, { queue: 1, elements: [{ readable: word(0xfffff, 4) }] }],
  },
  { name: 'vsock', create: () => new VirtioVsock({ guestCid: 3 }), requests: [{ queue: 1, elements: [{ readable: new Uint8Array(44) }] }] },
  { name: 'keyboard', create: () => new VirtioKeyboard(), requests: [{ queue: 1, elements: [{ readable: Uint8Array.of(0x11, 0, 0, 0, 1, 0, 0, 0) }] }] },
  {
    name: 'display',
    create: (memory) => new VirtioGpu({ memory }),
    requests: [{ queue: 0, elements: [{ readable: word(CMD_GET_DISPLAY_INFO, 24) }, { writable: 408 }], judge: starts(RESP_OK_DISPLAY_INFO) }],
  },
]

for (const { name, create, requests } of devices) {
  describe(name, () => {
    const memory = guestMemory()
    describeSuite(virtioSuite, () => ({ memory, create: () => plug(create(memory), memory).mmio, settle, requests }), { describe, it })
  })
}

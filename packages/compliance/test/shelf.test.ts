import { describe, expect, it } from 'vitest'
import {
  blockBackendSuite, busDeviceSuite, byteStoreSuite, clockSuite, describeSuite, findViolations, guestMemorySuite, interruptSourceSuite, machineMemorySuite, networkPortSuite,
  pageWalkerSuite, physicalMapSuite,
} from '../src/index.ts'
import type { BusDeviceSubject, GuestMemorySubject, PageWalkerSubject, PhysicalMapSubject } from '../src/index.ts'
import { GoodDevice, brokenDevices } from './shelf/devices.ts'
import { DISK_BUGS, STORE_BUGS, ShelfDisk, ShelfStore } from './shelf/disks.ts'
import { SimpleGuest, SimpleMachine, type MemoryBug } from './shelf/memories.ts'
import { CLOCK_BUGS, SOURCE_BUGS, ShelfClock, ShelfSource } from './shelf/peers.ts'
import { PORT_BUGS, portSubject } from './shelf/ports.ts'
import { ShelfWalker, WALKER_BUGS, type WalkerBug } from './shelf/walker.ts'

const device = (create: BusDeviceSubject['create']) => (): BusDeviceSubject => ({ create, vocabulary: [0xff], accesses: 400 })
const memory = (bug?: MemoryBug): GuestMemorySubject => ({
  memory: new SimpleGuest(bug), ram: { start: 0, length: 2 ** 20 }, rom: 0xf0000000, hole: 0x80000000,
})
const map = (bug?: MemoryBug): PhysicalMapSubject => {
  const guest = new SimpleGuest(bug)
  return { map: guest, memory: guest, machine: guest.machine, ram: 16, rom: 0xf0000, hole: 0x80000, withdrawWrites: () => guest.withdrawWrites() }
}
const walker = (bug?: WalkerBug): PageWalkerSubject => {
  const guest = new SimpleGuest()
  return { walker: new ShelfWalker(guest, bug), memory: guest }
}
const clock = (bug?: string) => {
  const subject = new ShelfClock(bug)
  return { clock: subject, pass: (ns: number) => subject.pass(ns) }
}
const source = (bug?: string) => {
  const subject = new ShelfSource(bug)
  return { source: subject, request: () => subject.request(), endOfInterrupt: () => subject.endOfInterrupt(), vector: 0x20 }
}

describe('a compliant implementation passes', () => {
  describeSuite(busDeviceSuite, device(() => new GoodDevice()), { describe, it })
  describeSuite(guestMemorySuite, () => memory(), { describe, it })
  describeSuite(physicalMapSuite, () => map(), { describe, it })
  describeSuite(pageWalkerSuite, () => walker(), { describe, it })
  describeSuite(machineMemorySuite, () => ({ memory: new SimpleMachine(8) }), { describe, it })
  describeSuite(blockBackendSuite, () => ({ backend: new ShelfDisk() }), { describe, it })
  describeSuite(blockBackendSuite, () => ({ backend: new ShelfDisk(undefined, true) }), { describe, it })
  describeSuite(byteStoreSuite, () => ({ store: new ShelfStore() }), { describe, it })
  describeSuite(byteStoreSuite, () => ({ store: new ShelfStore(undefined, true) }), { describe, it })
  describeSuite(clockSuite, () => clock(), { describe, it })
  describeSuite(networkPortSuite, () => portSubject(), { describe, it })
  describeSuite(interruptSourceSuite, () => source(), { describe, it })
})

describe('BusDevice: every broken device is rejected, by the law it breaks', () => {
  for (const [what, law, create] of brokenDevices) {
    it(what, async () => {
      const found = await findViolations(busDeviceSuite, device(create))
      expect(found.map((violation) => violation.law).join('\n')).toContain(law)
    })
  }
})

describe('GuestMemory: every broken memory is rejected', () => {
  const bugs: MemoryBug[] = [
    'stale-ram', 'no-page-crossing', 'smears', 'big-endian', 'signed', 'hole-zero', 'hole-writable', 'drops-straddling', 'rom-writable',
    'isram-first-byte', 'size-nan', 'throws',
  ]
  it.each(bugs)('%s', async (bug) => {
    expect(await findViolations(guestMemorySuite, () => memory(bug))).not.toEqual([])
  })
})

describe('PhysicalMap: every broken map is rejected', () => {
  const bugs: MemoryBug[] = [
    'stale-ram', 'one-frame', 'moves', 'unaligned-frame', 'hole-zero-frame', 'rom-writable', 'rom-minus-one', 'peek-allocates', 'silent-host-write',
    'wrong-host-write', 'silent-withdraw', 'wraps-gfn', 'private-frames',
  ]
  it.each(bugs)('%s', async (bug) => {
    expect(await findViolations(physicalMapSuite, () => map(bug))).not.toEqual([])
  })
})

describe('PageWalker: every broken walker is rejected', () => {
  it.each(WALKER_BUGS)('%s', async (bug) => {
    expect(await findViolations(pageWalkerSuite, () => walker(bug))).not.toEqual([])
  })
})

describe('MachineMemory: every broken allocator is rejected', () => {
  const broken: [string, (memory: SimpleMachine) => Partial<SimpleMachine>][] = [
    ['frames handed out again are not zeroed', () => ({ zeroes: false })],
    ['unaligned blocks', (m) => ({ allocate: (order) => m['find'](2 ** order, 1) })],
    ['frees only the first frame', (m) => ({ free: (mfn) => void (m.taken[mfn] = 0) })],
    ['an exhausted memory without a code', (m) => {
      const allocate = m.allocate.bind(m)
      return { allocate: (order) => {
        try {
          return allocate(order)
        } catch {
          throw new Error('out of memory')
        }
      } }
    }],
    ['a reservation that is handed out too', (m) => ({ reserve: () => 4096 as ReturnType<typeof m.reserve> })],
  ]
  it.each(broken)('%s', async (_what, breakIt) => {
    const found = await findViolations(machineMemorySuite, () => {
      const memory = new SimpleMachine(8)
      return { memory: Object.assign(memory, breakIt(memory)) }
    })
    expect(found).not.toEqual([])
  })
})

describe('BlockBackend: every broken disk is rejected', () => {
  it.each(DISK_BUGS)('%s', async (bug) => {
    expect(await findViolations(blockBackendSuite, () => ({ backend: new ShelfDisk(bug, bug === 'writable-anyway') }))).not.toEqual([])
  })
})

describe('ByteStore: every broken store is rejected', () => {
  it.each(STORE_BUGS)('%s', async (bug) => {
    expect(await findViolations(byteStoreSuite, () => ({ store: new ShelfStore(bug, bug === 'writable-anyway') }))).not.toEqual([])
  })
})

describe('Clock: every broken clock is rejected', () => {
  it.each(CLOCK_BUGS)('%s', async (bug) => {
    expect(await findViolations(clockSuite, () => clock(bug))).not.toEqual([])
  })
})

describe('InterruptSource: every broken controller is rejected', () => {
  it.each(SOURCE_BUGS)('%s', async (bug) => {
    expect(await findViolations(interruptSourceSuite, () => source(bug))).not.toEqual([])
  })
})

describe('NetworkPort: every broken port is rejected', () => {
  it.each(PORT_BUGS)('%s', async (bug) => {
    expect(await findViolations(networkPortSuite, () => portSubject(bug))).not.toEqual([])
  })
})

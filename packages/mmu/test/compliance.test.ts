import { describeSuite, guestMemorySuite, machineMemorySuite, pageWalkerSuite, physicalMapSuite } from '@entresol/compliance'
import { describe, it } from 'vitest'
import { GuestPhysicalMemory, createMachineMemory, createPageWalker } from '../src/index.ts'

const MB = 2 ** 20

function board(shared = false): { guest: GuestPhysicalMemory; withdrawWrites: () => void } {
  const guest = new GuestPhysicalMemory(createMachineMemory({ bytes: 32 * MB, shared }))
  const ram = guest.addRam(8 * MB)
  const rom = guest.createRegion('bios', 'rom', 65536, new Uint8Array(65536).fill(0x90))
  guest.map(0xffff0000, rom)
  return { guest, withdrawWrites: () => guest.startDirtyLog(ram) }
}

for (const shared of [false, true]) {
  describe(shared ? 'shared memory' : 'unshared memory', () => {
    describeSuite(machineMemorySuite, () => ({ memory: createMachineMemory({ bytes: 16 * MB, shared }) }), { describe, it })
    describeSuite(guestMemorySuite, () => {
      const { guest } = board(shared)
      return { memory: guest, ram: { start: 0, length: 8 * MB }, rom: 0xffff0000, hole: 0xd0000000 }
    }, { describe, it })
    describeSuite(physicalMapSuite, () => {
      const { guest, withdrawWrites } = board(shared)
      return { map: guest, memory: guest, machine: guest.machine, ram: 16, rom: 0xffff0, hole: 0xd0000, withdrawWrites }
    }, { describe, it })
    describeSuite(pageWalkerSuite, () => {
      const { guest } = board(shared)
      return { walker: createPageWalker(guest.machine, guest), memory: guest }
    }, { describe, it })
  })
}

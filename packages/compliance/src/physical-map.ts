import type { Gfn, Gpa, GuestMemory, MachineMemory, PhysicalMap } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { thrownBy } from './support.ts'

export interface PhysicalMapSubject {
  map: PhysicalMap
  /** The same guest's memory from the host side. */
  memory: GuestMemory
  machine: MachineMemory
  /** First of at least eight untouched RAM frames. */
  ram: number
  /** A read-only frame, when the map can have one. */
  rom?: number
  /** A frame where there is no memory. */
  hole: number
  /** Something that withdraws write access to all RAM, e.g. the start of a dirty log, when the map has it. */
  withdrawWrites?(): void
}

const gfn = (frame: number): Gfn => frame as Gfn
const gpa = (frame: number): Gpa => (frame * 4096) as Gpa

const laws: Law<PhysicalMapSubject>[] = [
  {
    name: 'frames of RAM are aligned, inside the machine memory and one per guest frame',
    check({ map, machine, ram }, violated) {
      const seen = new Set<number>()
      for (let frame = ram; frame < ram + 8; frame++) {
        const address = map.frameForWrite(gfn(frame))
        if (!Number.isInteger(address) || address < 0 || address % 4096 !== 0 || address + 4096 > machine.u8.length) {
          return violated(`frame ${frame} is at ${address}`)
        }
        if (seen.has(address)) violated(`frame ${frame} shares ${address} with another one`)
        seen.add(address)
      }
    },
  },
  {
    name: 'reading and writing reach the same frame of RAM, and stay there',
    check({ map, ram }, violated) {
      const read = map.frameForRead(gfn(ram))
      const write = map.frameForWrite(gfn(ram))
      const again = map.frameForRead(gfn(ram))
      // An untouched frame may be a shared zero frame until it is written.
      if (again !== write) violated(`written at ${write}, read at ${again}`)
      if (map.frameForWrite(gfn(ram)) !== write) violated('a second frameForWrite moved the frame')
      if (read < 0) violated(`frameForRead gave ${read}`)
    },
  },
  {
    name: 'untouched RAM is zero in its frame',
    check({ map, machine, ram }, violated) {
      for (const address of [map.frameForRead(gfn(ram)), map.frameForWrite(gfn(ram + 1))]) {
        if (machine.u8.subarray(address, address + 4096).some((byte) => byte !== 0)) violated(`frame at ${address} has other bytes`)
      }
    },
  },
  {
    name: 'the CPU’s frames and the host’s view are the same bytes',
    check({ map, memory, machine, ram }, violated) {
      machine.u8[map.frameForWrite(gfn(ram)) + 5] = 0x5a
      if (memory.readU8((ram * 4096 + 5) as Gpa) !== 0x5a) violated('the host does not see a CPU write')
      memory.writeU32(gpa(ram + 1), 0x11223344)
      if (machine.u32[map.frameForRead(gfn(ram + 1)) / 4] !== 0x11223344) violated('the CPU does not see a host write')
    },
  },
  {
    name: 'no memory is -1, read-only memory is -2 for writing',
    check({ map, rom, hole }, violated) {
      if (map.frameForRead(gfn(hole)) !== -1 || map.frameForWrite(gfn(hole)) !== -1) violated('a hole is not -1')
      if (map.peek(gfn(hole), false) !== -1 || map.peek(gfn(hole), true) !== -1) violated('peek at a hole is not -1')
      if (rom === undefined) return
      if (map.frameForRead(gfn(rom)) < 0) violated('ROM cannot be read')
      if (map.frameForWrite(gfn(rom)) !== -2) violated(`ROM for writing is ${map.frameForWrite(gfn(rom))}`)
      if (map.peek(gfn(rom), true) !== -2) violated('peek for writing at a ROM is not -2')
    },
  },
  {
    name: 'peek has no side effect and agrees with the frames once they are there',
    check({ map, machine, ram }, violated) {
      const used = machine.framesUsed
      if (map.peek(gfn(ram), false) !== -3 && map.peek(gfn(ram), false) < 0) violated('untouched RAM is neither -3 nor a frame')
      for (let frame = ram; frame < ram + 8; frame++) {
        map.peek(gfn(frame), false)
        map.peek(gfn(frame), true)
      }
      if (machine.framesUsed !== used) violated('peek allocated frames')
      const address = map.frameForWrite(gfn(ram))
      if (map.peek(gfn(ram), false) !== address || map.peek(gfn(ram), true) !== address) violated('peek disagrees with frameForWrite')
    },
  },
  {
    name: 'a host write is announced with the machine bytes it changed',
    check({ map, memory, ram }, violated) {
      const changed = new Set<number>()
      map.onHostWrite((address, length) => {
        for (let at = 0; at < length; at++) changed.add(address + at)
      })
      memory.write((ram * 4096 + 4090) as Gpa, new Uint8Array(12))
      memory.writeU16(gpa(ram + 3), 1)
      const second = map.frameForRead(gfn(ram + 1))
      const wanted = [map.frameForRead(gfn(ram)) + 4090, second, second + 5, map.frameForRead(gfn(ram + 3)) + 1]
      for (const address of wanted) if (!changed.has(address)) violated(`the write of machine byte ${address} was not announced`)
      if (changed.has(second + 6)) violated('a byte that was not written was announced')
    },
  },
  {
    name: 'withdrawn write access is announced, and peek sees it',
    check({ map, ram, withdrawWrites }, violated) {
      if (withdrawWrites === undefined) return
      const covered = new Set<number>()
      map.onInvalidate((first, count) => {
        for (let frame = ram; frame < ram + 8; frame++) if (frame >= first && frame < first + count) covered.add(frame)
      })
      map.frameForWrite(gfn(ram + 1))
      map.frameForWrite(gfn(ram + 4))
      withdrawWrites()
      for (const frame of [ram + 1, ram + 4]) {
        if (!covered.has(frame)) violated(`frame ${frame} lost write access unannounced`)
        if (map.peek(gfn(frame), true) !== -3) violated(`peek still lets frame ${frame} be written`)
        if (map.frameForWrite(gfn(frame)) < 0) violated(`frame ${frame} cannot be written again`)
      }
    },
  },
  {
    name: 'no frame number makes it throw, and none outside the map is memory',
    check({ map }, violated) {
      for (const frame of [2 ** 20 * 4096, 2 ** 31, 2 ** 32, 2 ** 40 - 1, -1, Number.NaN]) {
        const error = thrownBy(() => {
          const answers = [map.frameForRead(gfn(frame)), map.frameForWrite(gfn(frame)), map.peek(gfn(frame), false), map.peek(gfn(frame), true)]
          if (answers.some((answer) => answer !== -1)) violated(`frame ${frame} gave ${answers.join()}`)
        })
        if (error !== undefined) violated(`frame ${frame}: threw ${String(error)}`)
      }
    },
  },
]

/** Laws of PhysicalMap. */
export const physicalMapSuite: Suite<PhysicalMapSubject> = { name: 'PhysicalMap', laws }

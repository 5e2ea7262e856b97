import type { Gpa } from '@entresol/interfaces'
import { type DriverQueue, writeDescriptor } from './driver-queue.ts'
import type { VirtioDriver } from './driver.ts'
import { DESC } from './spec.ts'

/** Something a driver must not put into a ring. */
export interface HostileRing {
  readonly what: string
  readonly format: 'split' | 'packed'
  /** Features of rings it needs negotiated, or needs not to be. */
  readonly indirect: boolean
  put(driver: VirtioDriver, queue: DriverQueue): void
}

const FAR = 0x7_ffff_f000

/** One descriptor at `index` of a split table, and `index` made available. */
const split = (low: number, next: number, address?: number, length = 512) => (driver: VirtioDriver, { place }: DriverQueue): void => {
  writeDescriptor(driver.memory, place.descriptors, { address: address ?? driver.allocate(512), length }, low, next)
  available(driver, place.driver, [0])
}

function available(driver: VirtioDriver, at: number, heads: readonly number[], count: number = heads.length): void {
  heads.forEach((head, i) => driver.memory.writeU16((at + 4 + 2 * i) as Gpa, head))
  driver.memory.writeU16((at + 2) as Gpa, count)
}

const packed = (flags: number, address?: number, length = 512) => (driver: VirtioDriver, { place }: DriverQueue): void => {
  writeDescriptor(driver.memory, place.descriptors, { address: address ?? driver.allocate(512), length }, 7, flags | DESC.packedAvail)
}

/** A table in memory with one entry of these flags. */
const table = (driver: VirtioDriver, format: 'split' | 'packed', flags: number, next: number): number => {
  const at = driver.allocate(32)
  const [low, high] = format === 'split' ? [flags, next] : [0, flags]
  writeDescriptor(driver.memory, at, { address: driver.allocate(512), length: 512 }, low, high)
  return at
}

/** What must put any device into DEVICE_NEEDS_RESET, on whichever queue it reads. */
export const HOSTILE_RINGS: readonly HostileRing[] = [
  { what: 'a head outside the table', format: 'split', indirect: false, put: (driver, { place }) => available(driver, place.driver, [place.size]) },
  { what: 'a next descriptor outside the table', format: 'split', indirect: false, put: split(DESC.next, 0xffff) },
  { what: 'a descriptor that is its own next', format: 'split', indirect: false, put: split(DESC.next, 0) },
  { what: 'more buffers than the queue has entries', format: 'split', indirect: false, put: (driver, { place }) => available(driver, place.driver, [], place.size + 1) },
  { what: 'an element where there is no memory', format: 'split', indirect: false, put: split(DESC.write, 0, FAR) },
  { what: 'an element at the end of 64-bit addresses', format: 'split', indirect: false, put: (driver, queue) => {
    split(0, 0)(driver, queue)
    driver.memory.writeU64(queue.place.descriptors as Gpa, 0xffff_ffff_ffff_ff00n)
  } },
  { what: 'an element longer than memory', format: 'split', indirect: false, put: split(DESC.write, 0, undefined, 0xffff_ffff) },
  { what: 'a readable element behind a writable one', format: 'split', indirect: false, put: (driver, queue) => {
    writeDescriptor(driver.memory, queue.place.descriptors + 16, { address: driver.allocate(512), length: 512 }, 0, 0)
    split(DESC.write | DESC.next, 1)(driver, queue)
  } },
  { what: 'an indirect table that was not negotiated', format: 'split', indirect: false, put: (driver, queue) =>
    split(DESC.indirect, 0, table(driver, 'split', 0, 0), 16)(driver, queue) },
  { what: 'an indirect table of half a descriptor', format: 'split', indirect: true, put: (driver, queue) =>
    split(DESC.indirect, 0, table(driver, 'split', 0, 0), 24)(driver, queue) },
  { what: 'an empty indirect table', format: 'split', indirect: true, put: (driver, queue) => split(DESC.indirect, 0, table(driver, 'split', 0, 0), 0)(driver, queue) },
  { what: 'an indirect table where there is no memory', format: 'split', indirect: true, put: split(DESC.indirect, 0, FAR, 16) },
  { what: 'an indirect table of 4 GiB', format: 'split', indirect: true, put: split(DESC.indirect, 0, undefined, 0xffff_fff0) },
  { what: 'an indirect table in another', format: 'split', indirect: true, put: (driver, queue) =>
    split(DESC.indirect, 0, table(driver, 'split', DESC.indirect, 0), 16)(driver, queue) },
  { what: 'a loop in an indirect table', format: 'split', indirect: true, put: (driver, queue) =>
    split(DESC.indirect, 0, table(driver, 'split', DESC.next, 0), 16)(driver, queue) },
  { what: 'an indirect descriptor with a next one', format: 'split', indirect: true, put: (driver, queue) =>
    split(DESC.indirect | DESC.next, 1, table(driver, 'split', 0, 0), 16)(driver, queue) },
  { what: 'an element where there is no memory', format: 'packed', indirect: false, put: packed(DESC.write, FAR) },
  { what: 'an element longer than memory', format: 'packed', indirect: false, put: packed(DESC.write, undefined, 0xffff_ffff) },
  { what: 'a list without end', format: 'packed', indirect: false, put: (driver, { place }) => {
    for (let i = place.size - 1; i >= 0; i--) {
      writeDescriptor(driver.memory, place.descriptors + 16 * i, { address: driver.allocate(16), length: 16 }, 1, DESC.next | DESC.packedAvail)
    }
  } },
  { what: 'an indirect table that was not negotiated', format: 'packed', indirect: false, put: (driver, queue) =>
    packed(DESC.indirect, table(driver, 'packed', 0, 0), 16)(driver, queue) },
  { what: 'an indirect table of half a descriptor', format: 'packed', indirect: true, put: (driver, queue) =>
    packed(DESC.indirect, table(driver, 'packed', 0, 0), 8)(driver, queue) },
  { what: 'an indirect table in a list', format: 'packed', indirect: true, put: (driver, queue) => {
    packed(DESC.next)(driver, queue)
    writeDescriptor(driver.memory, queue.place.descriptors + 16, { address: table(driver, 'packed', 0, 0), length: 16 }, 7, DESC.indirect | DESC.packedAvail)
  } },
]

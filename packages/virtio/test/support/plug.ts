import { VirtioDriver } from '@entresol/compliance'
import type { BlockBackend, VirtioDevice } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { createMachineMemory, GuestPhysicalMemory } from '@entresol/mmu'
import { VirtioMmio } from '../../src/transport/mmio/virtio-mmio.ts'

/** 4 MiB of guest memory on its own. */
export function guestMemory(bytes: number = 4 << 20): GuestPhysicalMemory {
  const memory = new GuestPhysicalMemory(createMachineMemory({ bytes: bytes + (1 << 20) }))
  memory.addRam(bytes)
  return memory
}

/** A device on virtio-mmio, and a driver for it. */
export function plug(device: VirtioDevice, memory: GuestPhysicalMemory = guestMemory()): { mmio: VirtioMmio; driver: VirtioDriver; memory: GuestPhysicalMemory; line: { level: boolean } } {
  const line = { level: false }
  const mmio = new VirtioMmio({ device, memory, line: { set: (asserted) => { line.level = asserted } } })
  return { mmio, driver: new VirtioDriver(mmio, memory), memory, line }
}

/** Until the promises of tests' back-ends are through. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A disk of zeroes in memory that notes what is done to it, and does it when the test lets it. */
export class TestDisk implements BlockBackend {
  readonly bytes: Uint8Array
  readonly readOnly: boolean
  readonly log: string[] = []
  /** Set, and operations wait until `release`. */
  held = false
  failing = false
  #waiting: (() => void)[] = []

  constructor(size: number = 1 << 20, readOnly = false) {
    this.bytes = new Uint8Array(size)
    this.readOnly = readOnly
  }

  get size(): number {
    return this.bytes.length
  }

  release(): void {
    for (const go of this.#waiting.splice(0)) go()
  }

  async #do(what: string, action: () => void): Promise<void> {
    this.log.push(what)
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.failing) throw new CodedError('test-failure', 'the disk fails')
    action()
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#do(`read ${offset} ${into.length}`, () => into.set(this.bytes.subarray(offset, offset + into.length)))
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#do(`write ${offset} ${from.length}`, () => this.bytes.set(from, offset))
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.#do(`zero ${offset} ${length} ${unmap}`, () => this.bytes.fill(0, offset, offset + length))
  }

  flush(): Promise<void> {
    return this.#do('flush', () => {})
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#do(`discard ${offset} ${length}`, () => {})
  }

  async status(_offset: number, length: number): Promise<{ length: number; allocated: boolean; zero: boolean }> {
    return { length, allocated: true, zero: false }
  }

  async close(): Promise<void> {}
}

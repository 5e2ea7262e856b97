import type { AccessSize, Bus } from '@entresol/interfaces'
import type { VcpuPort } from './vcpu-port.ts'

/** What a vCPU's thread asks of the first thread: accesses to devices (address low and high, size, value), frames, and its end. */
export const PORT_READ = 0
export const PORT_WRITE = 1
export const MMIO_READ = 2
export const MMIO_WRITE = 3
/** Page of the physical map, 1 for writing. */
export const PREPARE = 4
/** A triple fault. */
export const SHUTDOWN = 5

/** A bus of the first thread as another one sees it. */
export class RemoteBus implements Bus {
  readonly #port: VcpuPort
  readonly #read: number
  readonly #write: number

  constructor(port: VcpuPort, space: 'ports' | 'mmio') {
    this.#port = port
    this.#read = space === 'ports' ? PORT_READ : MMIO_READ
    this.#write = space === 'ports' ? PORT_WRITE : MMIO_WRITE
  }

  read(address: number, size: AccessSize): number {
    return this.#port.call(this.#read, address | 0, Math.floor(address / 2 ** 32), size, 0) >>> 0
  }

  write(address: number, size: AccessSize, value: number): void {
    this.#port.call(this.#write, address | 0, Math.floor(address / 2 ** 32), size, value | 0)
  }
}

import type { BlockBackend, BlockExtent } from '@entresol/interfaces'
import { checkAccess, checkSectors, SECTOR } from '../support/range.ts'
import { NbdClient } from './client.ts'
import type { NbdClientOptions } from './client.ts'

/** An NBD export as a disk: its whole sectors. */
export class NbdDisk implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  closed = false
  readonly #client: NbdClient

  private constructor(client: NbdClient) {
    this.#client = client
    this.size = client.size - client.size % SECTOR
    this.readOnly = client.readOnly
  }

  /** Fails as NbdClient.open does. */
  static async open(options: NbdClientOptions): Promise<NbdDisk> {
    return new NbdDisk(await NbdClient.open(options))
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length, false)
    await this.#client.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    await this.#client.write(offset, from)
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#check(offset, length, true)
    await this.#client.writeZeroes(offset, length, unmap)
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    await this.#client.flush()
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#check(offset, length, true)
    await this.#client.trim(offset, length)
  }

  async status(offset: number, length: number): Promise<BlockExtent> {
    this.#check(offset, length, false)
    const extent = await this.#client.status(offset, length)
    const whole = extent.length - extent.length % SECTOR
    return whole > 0 ? { ...extent, length: whole } : { length: SECTOR, allocated: true, zero: false }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.#client.close()
  }

  #check(offset: number, length: number, writes: boolean): void {
    checkAccess(this, writes)
    checkSectors(offset, length, this.size)
  }
}

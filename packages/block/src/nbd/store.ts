import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { checkAccess, checkBytes } from '../support/range.ts'
import { NbdClient } from './client.ts'
import type { NbdClientOptions } from './client.ts'

/** An NBD export as the file an image lies in. It cannot grow. */
export class NbdStore implements ByteStore {
  readonly size: number
  readonly readOnly: boolean
  closed = false
  readonly #client: NbdClient

  private constructor(client: NbdClient) {
    this.#client = client
    this.size = client.size
    this.readOnly = client.readOnly
  }

  /** Fails as NbdClient.open does. */
  static async open(options: NbdClientOptions): Promise<NbdStore> {
    return new NbdStore(await NbdClient.open(options))
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length, false)
    await this.#client.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    if (offset + from.length > this.size) throw new CodedError('no-space', `NBD: the export ends at ${this.size}`)
    await this.#client.write(offset, from)
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    await this.#client.flush()
  }

  async truncate(size: number): Promise<void> {
    this.#check(0, size, true)
    if (size !== this.size) throw new CodedError('no-space', `NBD: an export of ${this.size} bytes stays that long`)
  }

  async punchHole(offset: number, length: number): Promise<void> {
    this.#check(offset, length, true)
    const inside = Math.min(length, this.size - offset)
    if (inside > 0) await this.#client.writeZeroes(offset, inside, true)
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    this.#check(offset, 0, false)
    if (offset >= this.size) return { length: 0, hole: true }
    const { length, zero, allocated } = await this.#client.status(offset, this.size - offset)
    return { length, hole: zero && !allocated }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.#client.close()
  }

  #check(offset: number, length: number, writes: boolean): void {
    checkAccess(this, writes)
    checkBytes(offset, length)
  }
}

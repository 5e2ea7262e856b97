import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { BlockBackend, BlockExtent } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { fileError } from './files.ts'

const SECTOR = 512

/** A raw image in a file. Its size is rounded down to whole sectors. */
export class FileBackend implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  readonly #file: FileHandle

  private constructor(file: FileHandle, size: number, readOnly: boolean) {
    this.#file = file
    this.size = size
    this.readOnly = readOnly
  }

  /** `option` as it was typed, for messages. */
  static async open(path: string, readOnly: boolean, option: string): Promise<FileBackend> {
    const name = option.split(' ', 1)[0]!
    try {
      const file = await open(path, readOnly ? 'r' : 'r+')
      const status = await file.stat()
      // Reading only, Linux opens folders too.
      if (status.isDirectory()) {
        await file.close()
        throw new CodedError('file-error', `${name}: ${path}: is a directory`)
      }
      const { size } = status
      const bytes = Math.floor(size / SECTOR) * SECTOR
      if (bytes === 0) {
        await file.close()
        throw new CodedError('bad-image', `${name}: ${path}: is smaller than one sector`)
      }
      return new FileBackend(file, bytes, readOnly)
    } catch (error) {
      throw error instanceof CodedError ? error : fileError(name, path, error)
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      const { bytesRead } = await this.#file.read(into, done, into.length - done, offset + done)
      if (bytesRead === 0) throw new CodedError('io-error', 'the image file became shorter')
      done += bytesRead
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    if (this.readOnly) throw new CodedError('read-only', 'the image is read-only')
    for (let done = 0; done < from.length;) done += (await this.#file.write(from, done, from.length - done, offset + done)).bytesWritten
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    await this.write(offset, new Uint8Array(length))
  }

  async status(_offset: number, length: number): Promise<BlockExtent> {
    return Promise.resolve({ length, allocated: true, zero: false })
  }

  async flush(): Promise<void> {
    await this.#file.datasync()
  }

  async discard(): Promise<void> {}

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Keeps what the guest writes in memory, by sector, and throws it away at the end (-snapshot). */
export class SnapshotBackend implements BlockBackend {
  readonly size: number
  readonly readOnly = false
  readonly #base: BlockBackend
  readonly #sectors = new Map<number, Uint8Array>()

  constructor(base: BlockBackend) {
    this.#base = base
    this.size = base.size
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#base.read(offset, into)
    for (let at = 0; at < into.length; at += SECTOR) {
      const kept = this.#sectors.get((offset + at) / SECTOR)
      if (kept) into.set(kept, at)
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    for (let at = 0; at < from.length; at += SECTOR) this.#sectors.set((offset + at) / SECTOR, from.slice(at, at + SECTOR))
    return Promise.resolve()
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    await this.write(offset, new Uint8Array(length))
  }

  async status(_offset: number, length: number): Promise<BlockExtent> {
    return Promise.resolve({ length, allocated: true, zero: false })
  }

  async flush(): Promise<void> {}

  async discard(): Promise<void> {}

  close(): Promise<void> {
    return this.#base.close()
  }
}

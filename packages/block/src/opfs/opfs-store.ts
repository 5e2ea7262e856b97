import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { resolveName } from '../files.ts'
import type { FileAccess, ImageFiles } from '../files.ts'
import { checkAccess, checkBytes } from '../support/range.ts'

/** What is used of a FileSystemSyncAccessHandle (File System Standard, section 2.6), which only workers have. */
export interface SyncAccessHandle {
  read(into: Uint8Array, options: { at: number }): number
  write(from: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  getSize(): number
  flush(): void
  close(): void
}

/** What is used of a FileSystemFileHandle and a FileSystemDirectoryHandle of the browser's private file system. */
export interface PrivateFile {
  createSyncAccessHandle(): Promise<SyncAccessHandle>
}
export interface PrivateFolder {
  getFileHandle(name: string, options: { create: boolean }): Promise<PrivateFile>
}

const ZEROES = new Uint8Array(2 ** 18)

/** A file of the browser's private file system. There are no holes: punching writes zeroes, and everything counts as data. */
export class OpfsStore implements ByteStore {
  readonly readOnly: boolean
  closed = false
  readonly #handle: SyncAccessHandle
  #size: number

  constructor(handle: SyncAccessHandle, readOnly = false) {
    this.#handle = handle
    this.readOnly = readOnly
    this.#size = handle.getSize()
  }

  get size(): number {
    return this.#size
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#do(false, offset, into.length, () => {
      let done = 0
      while (done < into.length) {
        const count = this.#handle.read(into.subarray(done), { at: offset + done })
        if (count === 0) break
        done += count
      }
      into.fill(0, done)
    })
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#do(true, offset, from.length, () => this.#put(offset, from))
  }

  async flush(): Promise<void> {
    this.#do(false, 0, 0, () => this.#handle.flush())
  }

  async truncate(size: number): Promise<void> {
    this.#do(true, 0, size, () => {
      this.#handle.truncate(size)
      this.#size = size
    })
  }

  async punchHole(offset: number, length: number): Promise<void> {
    this.#do(true, offset, length, () => {
      const end = Math.min(offset + length, this.#size)
      for (let at = offset; at < end; at += ZEROES.length) this.#put(at, ZEROES.subarray(0, Math.min(ZEROES.length, end - at)))
    })
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    this.#do(false, offset, 0, () => undefined)
    return { length: Math.max(0, this.#size - offset), hole: offset >= this.#size }
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.#handle.close()
  }

  #put(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length;) {
      const count = this.#handle.write(from.subarray(done), { at: offset + done })
      if (count === 0) throw new CodedError('no-space', 'the browser has no space left for this page')
      done += count
    }
    if (from.length > 0) this.#size = Math.max(this.#size, offset + from.length)
  }

  #do(writes: boolean, offset: number, length: number, action: () => void): void {
    checkAccess(this, writes)
    checkBytes(offset, length)
    try {
      action()
    } catch (error) {
      throw opfsError('the file', error)
    }
  }
}

function opfsError(path: string, error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const { name, message } = error as { readonly name: string; readonly message: string }
  const code = name === 'QuotaExceededError' ? 'no-space' : name === 'NoModificationAllowedError' ? 'locked' : 'file-error'
  return new CodedError(code, `${path}: ${code === 'locked' ? 'is in use by another page or worker' : message}`, { cause: error })
}

/** Files in a folder of the browser's private file system: `opfsFiles(await navigator.storage.getDirectory())`, in a worker. */
export function opfsFiles(folder: PrivateFolder): ImageFiles {
  return {
    async open(path: string, access: FileAccess): Promise<ByteStore> {
      try {
        const file = await folder.getFileHandle(path, { create: access.create === true })
        const handle = await file.createSyncAccessHandle()
        if (access.create === true) handle.truncate(0)
        return new OpfsStore(handle, access.readOnly)
      } catch (error) {
        throw opfsError(path, error)
      }
    },
    resolve: resolveName,
  }
}

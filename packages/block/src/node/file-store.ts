import { fdatasync, ftruncate, read, write } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { DirectFile } from '../cache/node/direct-file.ts'
import type { FileAccess } from '../files.ts'
import { checkAccess, checkBytes } from '../support/range.ts'
import { HostHelper, READ, RESIZE, SEEK_DATA, SEEK_HOLE, WRITE } from './host-helper.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file', EACCES: 'permission denied', EPERM: 'permission denied', EISDIR: 'is a directory', EROFS: 'read-only file system',
  ENOSPC: 'no space left', EFBIG: 'file too large',
}

/** A hole smaller than this is not worth a system call of its own: zeroes are written. */
const SMALLEST_HOLE = 65536
const ZEROES = new Uint8Array(2 ** 20)

/** What happened to the file at `path`, in a line. */
function fileError(path: string, error: unknown): CodedError {
  const { code, message } = error as NodeJS.ErrnoException
  return new CodedError(code === 'ENOSPC' ? 'no-space' : 'file-error', `${path}: ${(code !== undefined && REASONS[code]) || message}`, { cause: error })
}

const syncData = promisify(fdatasync)
const setLength = promisify(ftruncate)

/**
 * A file or block device of the host. Holes and locks need Linux and perl (see host-helper.ts); elsewhere zeroes are written instead of holes,
 * everything counts as data, and nothing is locked.
 */
export class FileStore implements ByteStore {
  readonly path: string
  readonly readOnly: boolean
  closed = false
  readonly #file: FileHandle
  readonly #helper: HostHelper
  #direct: DirectFile | undefined
  #size: number
  /** Operations under way: closing waits for them, since the host may give the descriptor's number away at once. */
  readonly #busy = new Set<Promise<unknown>>()

  private constructor(path: string, file: FileHandle, size: number, readOnly: boolean) {
    this.path = path
    this.readOnly = readOnly
    this.#file = file
    this.#size = size
    this.#helper = new HostHelper(file.fd)
  }

  /** Codes `file-error`, `locked`. */
  static async open(path: string, access: FileAccess): Promise<FileStore> {
    let file: FileHandle | undefined
    try {
      // 'w+' would empty the file of another writer before it is locked.
      if (access.create === true) await (await open(path, 'a')).close()
      file = await open(path, access.readOnly ? 'r' : 'r+')
      const status = await file.stat()
      if (status.isDirectory()) throw new CodedError('file-error', `${path}: is a directory`)
      if (!status.isFile() && !status.isBlockDevice()) throw new CodedError('file-error', `${path}: neither a file nor a block device`)
      const store = new FileStore(path, file, status.isBlockDevice() ? await deviceSize(path) : status.size, access.readOnly)
      try {
        if (access.shared !== true) await store.#lock()
        if (access.create === true && status.isFile()) await store.truncate(0)
        if (access.direct === true) store.#direct = await DirectFile.open(path, access.readOnly)
      } catch (error) {
        await store.#helper.close()
        throw error
      }
      return store
    } catch (error) {
      await file?.close()
      throw error instanceof CodedError ? error : fileError(path, error)
    }
  }

  get size(): number {
    return this.#size
  }

  /** Whether whole pages go around the host's page cache. */
  get direct(): boolean {
    return this.#direct !== undefined
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#run(false, offset, into.length, async () => {
      for (let done = this.#direct?.takes(offset, into.length) ? await this.#direct.read(offset, into) : 0; done < into.length;) {
        const count = await transfer(read, this.#file.fd, into, done, offset + done)
        if (count === 0) {
          into.fill(0, done)
          return
        }
        done += count
      }
    })
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#run(true, offset, from.length, async () => {
      let done = this.#direct?.takes(offset, from.length) ? await this.#direct.write(offset, from) : 0
      while (done < from.length) done += await transfer(write, this.#file.fd, from, done, offset + done)
      if (from.length > 0) this.#size = Math.max(this.#size, offset + from.length)
    })
  }

  flush(): Promise<void> {
    return this.#run(false, 0, 0, () => (this.readOnly ? Promise.resolve() : syncData(this.#file.fd)))
  }

  truncate(size: number): Promise<void> {
    return this.#run(true, 0, size, async () => {
      await setLength(this.#file.fd, size)
      this.#size = size
    })
  }

  punchHole(offset: number, length: number): Promise<void> {
    return this.#run(true, offset, length, async () => {
      const end = Math.min(offset + length, this.#size)
      if (end - offset >= SMALLEST_HOLE && await this.#helper.punch(offset, end - offset) === 0) return
      for (let at = offset; at < end;) at += await transfer(write, this.#file.fd, ZEROES.subarray(0, Math.min(ZEROES.length, end - at)), 0, at)
    })
  }

  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    let found: { readonly length: number; readonly hole: boolean } = { length: 0, hole: true }
    await this.#run(false, offset, 0, async () => {
      const rest = this.#size - offset
      if (rest <= 0) return
      const data = await this.#helper.seek(offset, SEEK_DATA)
      if (data === undefined) found = { length: rest, hole: false }
      else if (data === -1) found = { length: rest, hole: true }
      else if (data > offset) found = { length: Math.min(rest, data - offset), hole: true }
      else {
        const hole = await this.#helper.seek(offset, SEEK_HOLE)
        found = { length: Math.min(rest, hole === undefined || hole <= offset ? rest : hole - offset), hole: false }
      }
    })
    return found
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await Promise.allSettled(this.#busy)
    await this.#helper.close()
    await this.#direct?.close()
    await this.#file.close()
  }

  async #lock(): Promise<void> {
    const conflict = this.readOnly
      ? await this.#helper.lock(READ, ~(WRITE | RESIZE) & 15)
      : await this.#helper.lock(READ | WRITE | RESIZE, ~(WRITE | RESIZE) & 15)
    if (conflict !== 1) return
    throw new CodedError('locked', `${this.path}: is in use by another process${this.readOnly ? ', which writes to it' : ''}`)
  }

  async #run(writes: boolean, offset: number, length: number, action: () => Promise<void>): Promise<void> {
    checkAccess(this, writes)
    checkBytes(offset, length)
    const done = action()
    this.#busy.add(done)
    try {
      await done
    } catch (error) {
      throw error instanceof CodedError ? error : fileError(this.path, error)
    } finally {
      this.#busy.delete(done)
    }
  }
}

type Transfer = typeof read | typeof write

/** One positional read or write; how many bytes it moved. Callbacks cost half of what FileHandle's promises do. */
function transfer(call: Transfer, descriptor: number, bytes: Uint8Array, start: number, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const done = (error: NodeJS.ErrnoException | null, count: number): void => {
      if (error) reject(error)
      else resolve(count)
    }
    const positional = call as typeof read
    positional(descriptor, bytes, start, bytes.length - start, offset, done)
  })
}

/** Bytes of a Linux block device; stat says 0. */
async function deviceSize(path: string): Promise<number> {
  return 512 * Number(await readFile(`/sys/class/block/${basename(path)}/size`, 'utf8'))
}

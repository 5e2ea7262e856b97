import type { BlockBackend, BlockExtent } from '@entresol/interfaces'

/** What the modes of -drive's cache= mean (qemu(1), "cache"). */
export interface CacheSemantics {
  /** A write is safe before it is acknowledged: the device shows no write cache. */
  readonly writeThrough: boolean
  /** Around the host's page cache: the images are opened so (OpenImageOptions). */
  readonly direct: boolean
  /** Flushes do nothing: fast, and lost with the host. */
  readonly ignoreFlush: boolean
}

export const CACHE_MODES: Readonly<Record<'writeback' | 'none' | 'writethrough' | 'directsync' | 'unsafe', CacheSemantics>> = {
  writeback: { writeThrough: false, direct: false, ignoreFlush: false },
  none: { writeThrough: false, direct: true, ignoreFlush: false },
  writethrough: { writeThrough: true, direct: false, ignoreFlush: false },
  directsync: { writeThrough: true, direct: true, ignoreFlush: false },
  unsafe: { writeThrough: false, direct: false, ignoreFlush: true },
}

export type CacheMode = keyof typeof CACHE_MODES

/** `backend` with the flushes `mode` wants. `direct` is the matter of whoever opens the file. */
export function withCacheMode(backend: BlockBackend, mode: CacheMode): BlockBackend {
  const { writeThrough, ignoreFlush } = CACHE_MODES[mode]
  return writeThrough || ignoreFlush ? new CacheModeBackend(backend, writeThrough) : backend
}

class CacheModeBackend implements BlockBackend {
  readonly #backend: BlockBackend
  readonly #writeThrough: boolean
  #closed = false

  constructor(backend: BlockBackend, writeThrough: boolean) {
    this.#backend = backend
    this.#writeThrough = writeThrough
  }

  get size(): number {
    return this.#backend.size
  }

  get readOnly(): boolean {
    return this.#backend.readOnly
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#backend.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#backend.write(offset, from)
    await this.#through()
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    await this.#backend.writeZeroes(offset, length, unmap)
    await this.#through()
  }

  async flush(): Promise<void> {
    if (this.#writeThrough || this.#closed) await this.#backend.flush()
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#backend.discard(offset, length)
    await this.#through()
  }

  status(offset: number, length: number): Promise<BlockExtent> {
    return this.#backend.status(offset, length)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#backend.close()
  }

  async #through(): Promise<void> {
    if (this.#writeThrough) await this.#backend.flush()
  }
}

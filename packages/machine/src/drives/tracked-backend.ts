import type { BlockBackend, BlockExtent } from '@entresol/interfaces'

/** Told when the host begins and ends work that the guest may be polling for. */
export interface HostWork {
  hostWorkBegins(): void
  hostWorkEnds(): void
}

/**
 * A back-end whose operations the run loop knows of. A guest that polls for a disk (firmware, boot loaders) would otherwise spin for a whole
 * turn before the host had a chance to finish the transfer.
 */
export class TrackedBackend implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  readonly #backend: BlockBackend
  readonly #work: HostWork

  constructor(backend: BlockBackend, work: HostWork) {
    this.#backend = backend
    this.#work = work
    this.size = backend.size
    this.readOnly = backend.readOnly
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#track(this.#backend.read(offset, into))
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#track(this.#backend.write(offset, from))
  }

  flush(): Promise<void> {
    return this.#track(this.#backend.flush())
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.#track(this.#backend.writeZeroes(offset, length, unmap))
  }

  status(offset: number, length: number): Promise<BlockExtent> {
    return this.#backend.status(offset, length)
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#track(this.#backend.discard(offset, length))
  }

  close(): Promise<void> {
    return this.#backend.close()
  }

  /** The work is over when the device has seen the result and what it says at once has reached the guest: two microtasks behind. */
  #track(operation: Promise<void>): Promise<void> {
    this.#work.hostWorkBegins()
    const ended = (): void => queueMicrotask(() => queueMicrotask(() => this.#work.hostWorkEnds()))
    operation.then(ended, ended)
    return operation
  }
}

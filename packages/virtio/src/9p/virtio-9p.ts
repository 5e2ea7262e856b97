import type { DescriptorChain, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { type Check, record } from '@entresol/kit/saved-state'
import type { FileTree } from './file-tree.ts'
import { errorNumber, NinePServer } from './server.ts'
import type { NinePServerOptions } from './server.ts'
import { HEADER_BYTES, RLERROR, VIRTIO_9P_F_MOUNT_TAG, VIRTIO_ID_9P } from './spec.ts'
import { MessageWriter } from './wire.ts'

export interface VirtioNinePOptions extends NinePServerOptions {
  readonly name?: string
  readonly tree: FileTree
  /** What the guest mounts it by, 1 to 255 bytes of UTF-8. */
  readonly tag: string
}

/** Nothing: what a client has open is not saved, and ends with a snapshot. */
export type VirtioNinePState = Record<never, never>

const checkState: Check<VirtioNinePState> = record<VirtioNinePState>({})

const QUEUE_SIZE = 128
/** Buffers that requests under way may hold; what comes beyond waits in the ring. */
const MAX_BYTES_IN_FLIGHT = 8 << 20

/** Transport of 9P over one virtqueue: a request in the readable part of a buffer, its answer in the writable one. */
export class VirtioNineP implements VirtioDevice<VirtioNinePState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = VIRTIO_ID_9P
  readonly features: bigint = 1n << BigInt(VIRTIO_9P_F_MOUNT_TAG)
  readonly queueSizes: readonly number[] = [QUEUE_SIZE]
  readonly config: Uint8Array
  readonly #server: NinePServer
  #queue: Virtqueue | undefined
  #bytes = 0

  /** Throws `virtio-9p-options`. */
  constructor(options: VirtioNinePOptions) {
    this.name = options.name ?? 'virtio-9p'
    const tag = new TextEncoder().encode(options.tag)
    if (tag.length === 0 || tag.length > 255) throw new CodedError('virtio-9p-options', `${this.name}: the mount tag has 1 to 255 bytes`)
    this.config = new Uint8Array([tag.length, 0, ...tag])
    this.#server = new NinePServer(options.tree, options)
  }

  attach(_host: VirtioHost): void {}

  writeConfig(): void {}

  activate(_features: bigint, queues: readonly Virtqueue[]): void {
    this.#queue = queues[0]
  }

  notified(): void {
    const queue = this.#queue
    while (queue !== undefined && this.#bytes < MAX_BYTES_IN_FLIGHT) {
      const chain = queue.pop()
      if (chain === undefined) break
      void this.#serve(queue, chain)
    }
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  reset(): void {
    this.#queue = undefined
    void this.#server.reset()
  }

  save(): VirtioNinePState {
    return {}
  }

  restore(state: VirtioNinePState): void {
    checkState(state, this.name)
  }

  async #serve(queue: Virtqueue, chain: DescriptorChain): Promise<void> {
    const request = new Uint8Array(Math.min(chain.readableLength, this.#server.maxMessageSize))
    const held = request.length + Math.min(chain.writableLength, this.#server.maxMessageSize)
    this.#bytes += held
    chain.read(0, request)
    const answer = fitting(await this.#server.handle(request), chain.writableLength)
    this.#bytes -= held
    queue.push(chain, chain.write(0, answer))
    queue.publish()
    if (this.#queue !== undefined) this.notified()
  }
}

/** An answer that has no room is replaced by an error, and that by nothing. */
function fitting(answer: Uint8Array, room: number): Uint8Array {
  if (answer.length <= room) return answer
  const refusal = new MessageWriter(RLERROR, answer[5]! | (answer[6]! << 8)).u32(errorNumber(new CodedError('EPROTO', 'no room for the answer'))).finish()
  return refusal.subarray(0, room >= HEADER_BYTES + 4 ? refusal.length : 0)
}

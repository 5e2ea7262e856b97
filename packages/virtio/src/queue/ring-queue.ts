import type { DescriptorChain, Gpa, GuestMemory, Virtqueue } from '@entresol/interfaces'
import { bool, type Check, list, record, refuse, u16 } from '@entresol/kit/saved-state'
import { MAX_QUEUE_SIZE, VIRTIO_F_EVENT_IDX, VIRTIO_F_IN_ORDER, VIRTIO_F_INDIRECT_DESC } from '../spec.ts'
import { Chain, type ChainFault, checkChain, type SavedChain } from './chain.ts'
import { DESC_BYTES, MAX_CHAIN_DESCRIPTORS } from './spec.ts'

/** Whom a queue belongs to. */
export interface QueueOwner {
  readonly memory: GuestMemory
  /** A used buffer notification of queue `index`. */
  used(index: number): void
  fail(reason: string): void
}

/** Where the driver put the parts of a queue (2.6), in guest physical bytes. */
export interface QueueAreas {
  readonly descriptors: number
  readonly driver: number
  readonly device: number
}

export interface QueueState {
  /** Next position to take buffers from and to put them to, as the format counts them. */
  available: number
  used: number
  notifications: boolean
  inFlight: SavedChain[]
}

export const checkQueueState: Check<QueueState> = record<QueueState>({
  available: u16, used: u16, notifications: bool, inFlight: list(checkChain, MAX_QUEUE_SIZE),
})

const fenceWord = new Int32Array(1)

/** Orders what was written before it against what is read after it, for vCPUs in other threads: an atomic operation is a full barrier on hosts. */
export function fence(): void {
  Atomics.add(fenceWord, 0, 0)
}

let tableBytes = new Uint8Array(DESC_BYTES * MAX_CHAIN_DESCRIPTORS)
let tableWords = new Uint32Array(tableBytes.buffer)

/** What split and packed queues have in common: buffers between pop and push, their order, and when the driver is told. */
export abstract class RingQueue implements Virtqueue {
  readonly index: number
  size = 0
  protected readonly memory: GuestMemory
  protected readonly eventIdx: boolean
  protected readonly indirect: boolean
  protected areas: QueueAreas = { descriptors: 0, driver: 0, device: 0 }
  protected available = 0
  protected used = 0
  protected notifications = true
  /** Ring descriptors of the buffers in flight. */
  protected slots = 0
  readonly #inOrder: boolean
  readonly #owner: QueueOwner
  /** In the order they were popped. */
  readonly #inFlight: Set<Chain> = new Set()
  #again: Chain[] = []
  #free: Chain[] = []
  #pushed = false

  constructor(index: number, features: bigint, owner: QueueOwner) {
    this.index = index
    this.memory = owner.memory
    this.#owner = owner
    this.eventIdx = (features & VIRTIO_F_EVENT_IDX) !== 0n
    this.indirect = (features & VIRTIO_F_INDIRECT_DESC) !== 0n
    this.#inOrder = (features & VIRTIO_F_IN_ORDER) !== 0n
  }

  /** What is wrong with a size or areas of this format. */
  protected abstract refusal(size: number, areas: QueueAreas): string | undefined
  /** Positions are at their start, or were restored. The driver zeroed its areas, and so asked for notifications. */
  protected abstract begin(): void
  /** Whether there is a buffer; if not, and notifications are on, the driver has been asked for one. */
  protected abstract look(): boolean
  /** Reads the buffer that `look` saw, each word once, and moves on. */
  protected abstract fetch(chain: Chain): ChainFault | undefined
  /** Writes a used element, behind those the driver can see. */
  protected abstract put(chain: Chain): void
  /** Shows the driver what was put; true when it wants to be told. */
  protected abstract show(): boolean
  protected abstract notificationsChanged(): void

  /** The driver enabled the queue. Returns why it cannot be. */
  start(size: number, areas: QueueAreas): string | undefined {
    const refusal = this.refusal(size, areas)
    if (refusal !== undefined) return refusal
    this.areas = areas
    this.size = size
    this.available = 0
    this.used = 0
    this.notifications = true
    this.begin()
    return undefined
  }

  /** Empty from now on; its buffers are dead. */
  stop(): void {
    this.size = 0
    for (const chain of this.#inFlight) chain.live = false
    this.#inFlight.clear()
    this.slots = 0
    this.#again = []
    this.#free = []
    this.#pushed = false
  }

  get empty(): boolean {
    return this.#again.length === 0 && !(this.size > 0 && this.look())
  }

  pop(): DescriptorChain | undefined {
    if (this.#again.length > 0) return this.#again.shift()
    if (this.size === 0 || !this.look()) return undefined
    if (this.#inFlight.size >= this.size) return this.fault('more buffers at once than it has entries')
    const chain = this.#free.pop() ?? new Chain(this.memory)
    chain.clear()
    const fault = this.fetch(chain)
    if (fault !== undefined) return this.fault(fault)
    this.#add(chain)
    return chain
  }

  #add(chain: Chain): void {
    chain.live = true
    this.#inFlight.add(chain)
    this.slots += chain.slots
  }

  push(buffer: DescriptorChain, written: number): void {
    const chain = buffer as Chain
    if (!chain.live || chain.done) return
    chain.written = Math.min(written, chain.writableLength)
    if (!this.#inOrder) return this.#put(chain)
    // 2.7.9, 2.8.11: buffers are used in the order in which they were made available.
    chain.done = true
    for (const next of this.#inFlight) {
      if (!next.done) break
      this.#put(next)
    }
  }

  #put(chain: Chain): void {
    if (!this.#inFlight.delete(chain)) return
    this.put(chain)
    this.slots -= chain.slots
    this.#pushed = true
    chain.live = false
    this.#free.push(chain)
  }

  publish(): void {
    if (!this.#pushed) return
    this.#pushed = false
    if (this.show()) this.#owner.used(this.index)
  }

  setNotifications(on: boolean): void {
    if (on === this.notifications) return
    this.notifications = on
    if (this.size > 0) this.notificationsChanged()
  }

  protected fault(reason: string): undefined {
    this.#owner.fail(`queue ${this.index}: ${reason}`)
  }

  /** Element address of the descriptor at `at`. */
  protected addressOf(at: number): number {
    return this.memory.readU32(at as Gpa) + this.memory.readU32((at + 4) as Gpa) * 2 ** 32
  }

  /** The areas lie in memory throughout and are aligned (2.6). */
  protected misplaced(area: 'descriptors' | 'driver' | 'device', areas: QueueAreas, bytes: number, alignment: number): string | undefined {
    const base = areas[area]
    return base % alignment === 0 && this.memory.isRam(base as Gpa, bytes) ? undefined : `${area} area at 0x${base.toString(16)}`
  }

  /** Copies an indirect table (2.7.5.3, 2.8.8) as words of four per descriptor; or says what is wrong with it. Valid until the next call. */
  protected table(address: number, length: number): Uint32Array | ChainFault {
    if (!this.indirect) return 'an indirect descriptor, which was not negotiated'
    if (length === 0 || length % DESC_BYTES !== 0) return `an indirect table of ${length} bytes`
    if (length / DESC_BYTES > Math.max(MAX_CHAIN_DESCRIPTORS, this.size)) return `an indirect table of ${length / DESC_BYTES} descriptors`
    if (!this.memory.isRam(address as Gpa, length)) return `an indirect table at 0x${address.toString(16)}, which is not all memory`
    if (length > tableBytes.length) {
      tableBytes = new Uint8Array(length)
      tableWords = new Uint32Array(tableBytes.buffer)
    }
    this.memory.read(address as Gpa, tableBytes.subarray(0, length))
    return tableWords
  }

  save(): QueueState {
    this.publish()
    return { available: this.available, used: this.used, notifications: this.notifications, inFlight: [...this.#inFlight].map((chain) => chain.save()) }
  }

  /** After `start`, with a checked state: goes on where a queue like this one was. Throws `bad-snapshot`. */
  restore(state: QueueState): void {
    this.available = state.available
    this.used = state.used
    this.notifications = state.notifications
    if (state.inFlight.length > this.size) refuse(`queue ${this.index}`, 'a queue with room for its buffers')
    this.#again = state.inFlight.map((saved) => {
      const chain = new Chain(this.memory)
      const fault = chain.restore(saved)
      if (fault !== undefined) refuse(`queue ${this.index}`, `without ${fault}`)
      return chain
    })
    for (const chain of this.#again) this.#add(chain)
    this.begin()
  }
}

import type { AccessSize, DescriptorChain, Gpa, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { type Check, record, u32 } from '@entresol/kit/saved-state'
import * as spec from './spec.ts'

/** Where pages a guest does not need go. */
export interface GuestPages {
  /** The contents of the whole 4 KiB pages in [gpa, gpa + bytes) are given up: they read as zeros, and cost nothing until they are written again. */
  discard(gpa: Gpa, bytes: number): void
}

export interface VirtioBalloonOptions {
  readonly name?: string
  readonly pages: GuestPages
  /** The driver may take pages back when it has no memory left. Default false. */
  readonly deflateOnOom?: boolean
  /** Whether the driver is asked for hints at free pages, and may report them. Default true both. */
  readonly freePageHint?: boolean
  readonly freePageReporting?: boolean
}

/** What a driver tells about its memory (5.5.6.4), in bytes but for the counts; each only if the driver has it. */
export interface BalloonStatistics {
  readonly swapIn?: bigint
  readonly swapOut?: bigint
  readonly majorFaults?: bigint
  readonly minorFaults?: bigint
  readonly free?: bigint
  readonly total?: bigint
  readonly available?: bigint
  readonly caches?: bigint
  readonly hugePagesAllocated?: bigint
  readonly hugePagesFailed?: bigint
}

const statisticNames: readonly (keyof BalloonStatistics)[] = [
  'swapIn', 'swapOut', 'majorFaults', 'minorFaults', 'free', 'total', 'available', 'caches', 'hugePagesAllocated', 'hugePagesFailed',
]

export interface VirtioBalloonState {
  target: number
  actual: number
  poison: number
}

const checkState: Check<VirtioBalloonState> = record<VirtioBalloonState>({ target: u32, actual: u32, poison: u32 })

/** What one buffer may ask for, so that it is done soon: page numbers, entries of statistics, bytes of free memory. */
const MAX_PAGE_NUMBERS = 65_536
const MAX_STATISTICS = 64
const MAX_FREE_BYTES = 2 ** 30

/** Memory balloon (virtio 1.2, 5.5): the host asks for memory back, the driver tells which pages it does without. */
export class VirtioBalloon implements VirtioDevice<VirtioBalloonState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.VIRTIO_ID_BALLOON
  readonly features: bigint
  readonly queueSizes: readonly number[] = [128, 128, 2, 128, 32]
  readonly config: Uint8Array = new Uint8Array(spec.CONFIG_BYTES)
  readonly #view: DataView = new DataView(this.config.buffer)
  readonly #pages: GuestPages
  #host: VirtioHost | undefined
  #negotiated = 0n
  #queues: readonly Virtqueue[] = []
  /** The driver's buffer, kept to ask for statistics with (5.5.6.3). */
  #statisticsChain: DescriptorChain | undefined
  #statisticsReaders: PromiseWithResolvers<BalloonStatistics>[] = []
  #hinting: { readonly hint: (gpa: Gpa, bytes: number) => void; readonly done: PromiseWithResolvers<void> } | undefined
  /** The driver's last command was the current one. */
  #isHinting = false
  #lastCommand: number = spec.FIRST_CMD_ID - 1

  constructor(options: VirtioBalloonOptions) {
    const { name = 'virtio-balloon', pages, deflateOnOom = false, freePageHint = true, freePageReporting = true } = options
    this.name = name
    this.#pages = pages
    this.features = spec.F_STATS_VQ | spec.F_PAGE_POISON | (deflateOnOom ? spec.F_DEFLATE_ON_OOM : 0n)
      | (freePageHint ? spec.F_FREE_PAGE_HINT : 0n) | (freePageReporting ? spec.F_PAGE_REPORTING : 0n)
  }

  /** Bytes the host wants back from the driver. */
  get target(): number {
    return this.#view.getUint32(spec.CONFIG_NUM_PAGES, true) * spec.PAGE
  }

  /** Rounded down to pages. */
  set target(bytes: number) {
    const pages = Math.min(Math.max(Math.floor(bytes / spec.PAGE), 0), 0xffff_ffff)
    if (pages * spec.PAGE === this.target) return
    this.#view.setUint32(spec.CONFIG_NUM_PAGES, pages, true)
    this.#host?.configChanged()
  }

  /** Bytes the driver says it has given. */
  get actual(): number {
    return this.#view.getUint32(spec.CONFIG_ACTUAL, true) * spec.PAGE
  }

  /** Asks the driver for statistics. Fails with `balloon-no-statistics` where there is no driver that gives any. */
  async readStatistics(): Promise<BalloonStatistics> {
    const chain = this.#statisticsChain
    const queue = this.#queues[spec.STATSQ]
    if (queue === undefined || (chain === undefined && this.#statisticsReaders.length === 0)) throw this.#noStatistics()
    const reader = Promise.withResolvers<BalloonStatistics>()
    this.#statisticsReaders.push(reader)
    if (chain !== undefined) {
      this.#statisticsChain = undefined
      queue.push(chain, 0)
      queue.publish()
    }
    return reader.promise
  }

  /**
   * Asks the driver for pages it does not use (5.5.6.5); `hint` gets them, until the promise ends. What the guest writes afterwards it means to
   * keep, so a listener compares with the dirty log. Fails with `balloon-no-hints` where no driver can do it, or when it goes.
   */
  async hintFreePages(hint: (gpa: Gpa, bytes: number) => void): Promise<void> {
    if ((this.#negotiated & spec.F_FREE_PAGE_HINT) === 0n || this.#hinting !== undefined) {
      throw new CodedError('balloon-no-hints', `${this.name}: no driver that hints at free pages, or it is at it`)
    }
    const done = Promise.withResolvers<void>()
    this.#hinting = { hint, done }
    this.#lastCommand = this.#lastCommand === 0xffff_ffff ? spec.FIRST_CMD_ID : this.#lastCommand + 1
    this.#setCommand(this.#lastCommand)
    return done.promise
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset < spec.CONFIG_ACTUAL || (offset >= spec.CONFIG_FREE_PAGE_HINT_CMD_ID && offset < spec.CONFIG_POISON_VAL)) return
    for (let byte = 0; byte < size; byte++) this.config[offset + byte] = value >>> (8 * byte)
  }

  activate(features: bigint, queues: readonly Virtqueue[]): void {
    this.#negotiated = features
    this.#queues = queues
  }

  notified(index: number): void {
    const queue = this.#queues[index]!
    if (index === spec.STATSQ) return this.#takeStatistics(queue)
    for (let chain; (chain = queue.pop()) !== undefined;) {
      const refusal = index === spec.INFLATEQ ? this.#inflate(chain) : index === spec.FREE_PAGE_VQ ? this.#takeHint(chain)
        : index === spec.REPORTING_VQ ? this.#takeReport(chain) : undefined
      if (refusal !== undefined) return this.#host?.fail(refusal)
      queue.push(chain, 0)
    }
    queue.publish()
  }

  resetQueue(index: number): void {
    if (index === spec.STATSQ) this.#endStatistics()
    if (index === spec.FREE_PAGE_VQ) this.#endHinting()
  }

  enabledQueue(): void {}

  reset(): void {
    this.#negotiated = 0n
    this.#queues = []
    this.#endStatistics()
    this.#endHinting()
    this.#view.setUint32(spec.CONFIG_ACTUAL, 0, true)
    this.#view.setUint32(spec.CONFIG_POISON_VAL, 0, true)
    this.#view.setUint32(spec.CONFIG_FREE_PAGE_HINT_CMD_ID, spec.CMD_ID_DONE, true)
  }

  save(): VirtioBalloonState {
    const [target, actual, poison] = [spec.CONFIG_NUM_PAGES, spec.CONFIG_ACTUAL, spec.CONFIG_POISON_VAL].map((at) => this.#view.getUint32(at, true))
    return { target: target!, actual: actual!, poison: poison! }
  }

  restore(state: VirtioBalloonState): void {
    const { target, actual, poison } = checkState(state, this.name)
    this.#endStatistics()
    this.#endHinting()
    this.#view.setUint32(spec.CONFIG_NUM_PAGES, target, true)
    this.#view.setUint32(spec.CONFIG_ACTUAL, actual, true)
    this.#view.setUint32(spec.CONFIG_POISON_VAL, poison, true)
    this.#view.setUint32(spec.CONFIG_FREE_PAGE_HINT_CMD_ID, spec.CMD_ID_DONE, true)
  }

  /** 5.5.6.1: le32 numbers of pages. Runs of neighbours are given up together. */
  #inflate(chain: DescriptorChain): string | undefined {
    const count = Math.floor(chain.readableLength / 4)
    if (count > MAX_PAGE_NUMBERS) return `${count} page numbers in one buffer`
    const bytes = new Uint8Array(count * 4)
    const numbers = new DataView(bytes.buffer, 0, chain.read(0, bytes))
    for (let at = 0; at < count;) {
      const first = numbers.getUint32(at * 4, true)
      let run = 1
      while (at + run < count && numbers.getUint32((at + run) * 4, true) === first + run) run++
      this.#pages.discard((first * spec.PAGE) as Gpa, run * spec.PAGE)
      at += run
    }
    return undefined
  }

  /** 5.5.6.6. A guest that wants its free pages to keep a value other than 0 does not get them replaced. */
  #takeReport(chain: DescriptorChain): string | undefined {
    if (chain.writableLength > MAX_FREE_BYTES) return `${chain.writableLength} bytes of free pages in one buffer`
    const isKept = (this.#negotiated & spec.F_PAGE_POISON) !== 0n && this.#view.getUint32(spec.CONFIG_POISON_VAL, true) !== 0
    if (!isKept) chain.eachWritable((gpa, bytes) => this.#pages.discard(gpa, bytes))
    return undefined
  }

  #takeHint(chain: DescriptorChain): string | undefined {
    if (chain.readableLength >= 4) {
      const command = chain.readU32(0)
      const isCurrent = command === this.#view.getUint32(spec.CONFIG_FREE_PAGE_HINT_CMD_ID, true)
      if (command === spec.CMD_ID_STOP && this.#isHinting) this.#finishHinting()
      else this.#isHinting = isCurrent && this.#hinting !== undefined
    }
    if (chain.writableLength > MAX_FREE_BYTES) return `${chain.writableLength} bytes of free pages in one buffer`
    if (this.#isHinting) chain.eachWritable((gpa, bytes) => this.#hinting?.hint(gpa, bytes))
    return undefined
  }

  /** The driver has told all. */
  #finishHinting(): void {
    const hinting = this.#hinting
    this.#hinting = undefined
    this.#isHinting = false
    this.#setCommand(spec.CMD_ID_DONE)
    hinting?.done.resolve()
  }

  #endHinting(): void {
    const hinting = this.#hinting
    this.#hinting = undefined
    this.#isHinting = false
    hinting?.done.reject(new CodedError('balloon-no-hints', `${this.name}: the driver is gone`))
  }

  #setCommand(command: number): void {
    this.#view.setUint32(spec.CONFIG_FREE_PAGE_HINT_CMD_ID, command, true)
    this.#host?.configChanged()
  }

  #takeStatistics(queue: Virtqueue): void {
    for (let chain; (chain = queue.pop()) !== undefined;) {
      // One is enough (5.5.6.3.1): another takes its place.
      if (this.#statisticsChain !== undefined) queue.push(this.#statisticsChain, 0)
      this.#statisticsChain = chain
      const statistics = readStatistics(chain)
      for (const reader of this.#statisticsReaders.splice(0)) reader.resolve(statistics)
    }
    queue.publish()
  }

  #endStatistics(): void {
    this.#statisticsChain = undefined
    for (const reader of this.#statisticsReaders.splice(0)) reader.reject(this.#noStatistics())
  }

  #noStatistics(): CodedError {
    return new CodedError('balloon-no-statistics', `${this.name}: no driver that gives statistics`)
  }
}

function readStatistics(chain: DescriptorChain): BalloonStatistics {
  const statistics: { -readonly [K in keyof BalloonStatistics]: bigint } = {}
  const bytes = new Uint8Array(Math.min(chain.readableLength, MAX_STATISTICS * spec.STAT_BYTES))
  const view = new DataView(bytes.buffer, 0, chain.read(0, bytes))
  for (let at = 0; at + spec.STAT_BYTES <= view.byteLength; at += spec.STAT_BYTES) {
    const name = statisticNames[view.getUint16(at, true)]
    const value = view.getBigUint64(at + 2, true)
    // All ones is Linux's "not known".
    if (name !== undefined && value !== 0xffff_ffff_ffff_ffffn) statistics[name] = value
  }
  return statistics
}

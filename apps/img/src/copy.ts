import type { BlockBackend } from '@entresol/interfaces'
import { chainStatus } from '@entresol/block'
import type { ImageBackend } from '@entresol/block'
import { CodedError } from '@entresol/kit'
import { isPresent } from './layers.ts'
import { zeroStretches } from './zero-scan.ts'

/** What can be copied. */
export type Source = Pick<ImageBackend, 'size' | 'status' | 'read' | 'backing'>

export interface CopyOptions {
  /** Where the source begins in the target, in bytes. */
  readonly targetOffset: number
  /** Requests under way at a time. */
  readonly parallel: number
  /** Writes go out as reads come in; else in order. */
  readonly outOfOrder: boolean
  /** Bytes of zeroes worth not being written; 0: nothing is looked at, everything is written. */
  readonly sparse: number
  /** The target reads as zeroes where nothing was written. */
  readonly targetZero: boolean
  /** What the source's own file does not hold, the target has from its backing image. */
  readonly skipUnallocated: boolean
  /** Writes whole clusters compressed. */
  readonly compress?: { readonly image: ImageBackend; readonly clusterSize: number }
  /** Called for what cannot be read, which is zeroes then. Absent: it ends the copy. */
  readonly salvage?: ((offset: number, error: CodedError) => void) | undefined
  readonly signal: AbortSignal
  /** Bytes that are done. */
  readonly progress: (bytes: number) => void
}

/** Largest read and write. */
const BUFFER = 2 << 20
/** Zeroes are passed over in steps of at most this, so that progress shows. */
const LONGEST_STEP = 1 << 30

type Piece = { readonly offset: number; readonly length: number; readonly what: 'data' | 'zero' | 'skip' }

export function checkInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new CodedError('interrupted', 'interrupted')
}

/** Copies `source` into `target`, `parallel` pieces at a time. What was not copied after a failure is undefined. */
export async function copy(source: Source, target: BlockBackend, options: CopyOptions): Promise<void> {
  const pieces = new Pieces(source, options)
  const order = new Order()
  const workers = Array.from({ length: options.parallel }, () => worker(source, target, options, pieces, order))
  // The others still use the images: none may be closed before they have ended.
  const ends = await Promise.allSettled(workers)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

async function worker(source: Source, target: BlockBackend, options: CopyOptions, pieces: Pieces, order: Order): Promise<void> {
  const buffer = new Uint8Array(options.compress?.clusterSize ?? BUFFER)
  try {
    for (;;) {
      checkInterrupted(options.signal)
      const piece = await pieces.next()
      if (piece === undefined) return
      const { offset, length, what } = piece
      const bytes = buffer.subarray(0, what === 'data' ? length : 0)
      if (what === 'data') await readOrSalvage(source, offset, bytes, options)
      if (!options.outOfOrder) await order.turn(offset)
      const written = what === 'skip' ? undefined : writePiece(target, piece, bytes, options)
      // Writers of one file wait for each other in the host's kernel, and not idly. Compressing is worth doing side by side.
      if (!options.compress) await written
      order.done(offset + length)
      await written
      options.progress(length)
    }
  } catch (error) {
    pieces.end()
    order.fail(error)
    throw error
  }
}

async function readOrSalvage(source: Source, offset: number, into: Uint8Array, { salvage }: CopyOptions): Promise<void> {
  try {
    await source.read(offset, into)
  } catch (error) {
    if (salvage === undefined || !(error instanceof CodedError)) throw error
    // Sector by sector what can be read is.
    for (let at = 0; at < into.length; at += 512) {
      const sector = into.subarray(at, at + 512)
      await source.read(offset + at, sector).catch((failure: CodedError) => {
        sector.fill(0)
        salvage(offset + at, failure)
      })
    }
  }
}

/** All writes are begun before this first awaits, so that those of the next piece come behind them. */
async function writePiece(target: BlockBackend, { offset, length, what }: Piece, bytes: Uint8Array, options: CopyOptions): Promise<void> {
  const at = offset + options.targetOffset
  if (what === 'zero') return target.writeZeroes(at, length, options.sparse > 0)
  if (options.compress) {
    const [only] = zeroStretches(bytes, options.sparse > 0 ? bytes.length : 0)
    if (!only!.zero) return options.compress.image.writeCompressed!(at, bytes)
    return options.targetZero ? undefined : target.writeZeroes(at, length, true)
  }
  const writes = zeroStretches(bytes, options.sparse).filter(({ zero }) => !zero || !options.targetZero).map(({ from, to, zero }) => (
    zero ? target.writeZeroes(at + from, to - from, true) : target.write(at + from, bytes.subarray(from, to))
  ))
  const ends = await Promise.allSettled(writes)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** What is to be copied, piece by piece, in order. */
class Pieces {
  readonly #source: Source
  readonly #options: CopyOptions
  #offset = 0
  /** The present stretch ends here. */
  #end = 0
  #what: Piece['what'] = 'data'
  #looking: Promise<unknown> = Promise.resolve()

  constructor(source: Source, options: CopyOptions) {
    this.#source = source
    this.#options = options
  }

  next(): Promise<Piece | undefined> {
    const piece = this.#looking.then(() => this.#take())
    this.#looking = piece.catch(() => {})
    return piece
  }

  end(): void {
    this.#offset = this.#source.size
    this.#end = this.#offset
  }

  async #take(): Promise<Piece | undefined> {
    const { size } = this.#source
    if (this.#offset >= size) return undefined
    const cluster = this.#options.compress?.clusterSize
    if (this.#end <= this.#offset) await this.#look()
    const offset = this.#offset
    let end = this.#end
    let what = this.#what
    if (cluster !== undefined) {
      const clusterEnd = Math.min(size, (Math.floor(offset / cluster) + 1) * cluster)
      // A cluster that is not all of one kind is read.
      if (end < clusterEnd || what === 'data') {
        what = 'data'
        end = clusterEnd
      } else end = end === size ? size : Math.floor(end / cluster) * cluster
    } else if (what === 'data') end = Math.min(end, (Math.floor(offset / BUFFER) + 1) * BUFFER)
    end = Math.min(end, offset + LONGEST_STEP)
    if (this.#offset < size) this.#offset = end
    return { offset, length: end - offset, what }
  }

  async #look(): Promise<void> {
    const { sparse, targetZero, skipUnallocated, compress } = this.#options
    const limit = this.#source.size - this.#offset
    const extent = skipUnallocated ? await this.#source.status(this.#offset, limit) : await chainStatus(this.#source, this.#offset, limit)
    this.#what = skipUnallocated && !isPresent(extent) ? 'skip' : extent.zero && sparse > 0 ? targetZero ? 'skip' : 'zero' : 'data'
    // Compressed or not, what is written in full is read in full.
    if (compress && sparse === 0) this.#what = 'data'
    this.#end = this.#offset + extent.length
  }
}

/** Lets pieces through in the order of their offsets. */
class Order {
  #next = 0
  #failed: { readonly error: unknown } | undefined
  readonly #waiting = new Map<number, () => void>()

  async turn(offset: number): Promise<void> {
    while (this.#next !== offset && !this.#failed) await new Promise<void>((resolve) => void this.#waiting.set(offset, resolve))
    if (this.#failed) throw this.#failed.error
  }

  done(next: number): void {
    this.#next = next
    const wake = this.#waiting.get(next)
    this.#waiting.delete(next)
    wake?.()
  }

  fail(error: unknown): void {
    this.#failed ??= { error }
    for (const wake of this.#waiting.values()) wake()
    this.#waiting.clear()
  }
}

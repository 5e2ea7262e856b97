import { formats, isZero, SECTOR } from '@entresol/block'
import type { BlockBackend, BlockExtent } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

/** A disk that passes everything on to another one. */
class Filter implements BlockBackend {
  readonly below: BlockBackend

  constructor(below: BlockBackend) {
    this.below = below
  }

  get size(): number {
    return this.below.size
  }

  get readOnly(): boolean {
    return this.below.readOnly
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.below.read(offset, into)
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.below.write(offset, from)
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.below.writeZeroes(offset, length, unmap)
  }

  flush(): Promise<void> {
    return this.below.flush()
  }

  discard(offset: number, length: number): Promise<void> {
    return this.below.discard(offset, length)
  }

  status(offset: number, length: number): Promise<BlockExtent> {
    return this.below.status(offset, length)
  }

  close(): Promise<void> {
    return this.below.close()
  }
}

/** discard=ignore: what the guest no longer needs stays where it is. */
export class IgnoreDiscard extends Filter {
  override async discard(): Promise<void> {}

  override writeZeroes(offset: number, length: number): Promise<void> {
    return this.below.writeZeroes(offset, length, false)
  }
}

/** detect-zeroes: writes of nothing but zeroes take no data. */
export class DetectZeroes extends Filter {
  readonly #unmap: boolean

  constructor(below: BlockBackend, unmap: boolean) {
    super(below)
    this.#unmap = unmap
  }

  override write(offset: number, from: Uint8Array): Promise<void> {
    return isZero(from) ? this.below.writeZeroes(offset, from.length, this.#unmap) : this.below.write(offset, from)
  }
}

/**
 * A raw image that nobody said is one. Its guest must not turn it into another format by writing that format's header, which could name any file of
 * the host: such a write of the first sector fails.
 */
export class GuessedRaw extends Filter {
  readonly #refused: (format: string) => void

  constructor(below: BlockBackend, refused: (format: string) => void) {
    super(below)
    this.#refused = refused
  }

  override write(offset: number, from: Uint8Array): Promise<void> {
    if (offset === 0 && from.length > 0) {
      const start = from.subarray(0, SECTOR)
      const other = formats.find((format) => format.name !== 'raw' && format.probe(start, start, '') > 0)
      if (other) {
        this.#refused(other.name)
        return Promise.reject(new CodedError('guessed-raw', `the first sector would make this raw image one of format ${other.name}`))
      }
    }
    return this.below.write(offset, from)
  }
}

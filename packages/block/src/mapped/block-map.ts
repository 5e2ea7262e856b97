/** What a stretch of the disk is in this image. */
export interface Place {
  /** Bytes. */
  readonly length: number
  /** In the file from this offset on; 'zero': reads as zeroes; 'backing': as the backing image, or as zeroes where there is none. */
  readonly at: number | 'zero' | 'backing'
}

/**
 * The tables of an image that keeps the disk in blocks of one size, each somewhere in the file. A block keeps its place once it has one.
 * The map's own changes reach the file at the next commit of its pages. Calls that change it never overlap in time with each other.
 */
export interface BlockMap {
  /** Bytes of the disk in a block, a multiple of 512. */
  readonly blockSize: number
  /** Where a block may be present sector by sector, so that a new one need not be filled from the backing image. */
  readonly sectorwise: boolean
  /** What the disk has at `offset`: at most `length` bytes, and to the end of a block at most where it lies in the file. */
  locate(offset: number, length: number): Place | Promise<Place>
  /** Where in the file block `index` is kept, whatever of it is present. */
  home(index: number): number | undefined | Promise<number | undefined>
  /** Finds a new place, reading as zeroes and all inside the file, for block `index`. Nothing refers to it yet. */
  reserve(index: number): Promise<number>
  /** `length` bytes from `within` on of block `index` are in the file now, at its home or at the place reserved for it. */
  record(index: number, home: number, within: number, length: number): void | Promise<void>
  /** Makes block `index`, which has no home, read as zeroes; false where this image has no way to say so. */
  recordZero(index: number): boolean | Promise<boolean>
}

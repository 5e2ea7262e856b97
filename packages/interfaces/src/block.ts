/** How a stretch of a disk is stored. */
export interface BlockExtent {
  /** Bytes from the offset asked for, a positive multiple of 512; the status beyond may be the same or another. */
  readonly length: number
  /** Space is allocated in this image itself; false: it reads from a backing image, or as zeroes. */
  readonly allocated: boolean
  /** Certain to read as zeroes, without looking at the data. */
  readonly zero: boolean
}

/** A disk image as a device sees it. Offsets and lengths in bytes, multiples of 512. Promises reject with coded errors only. */
export interface BlockBackend {
  /** Size in bytes. */
  readonly size: number
  readonly readOnly: boolean
  /** Fills `into`. Operations that overlap in time may happen in either order; the buffer is the backend's until the promise settles. */
  read(offset: number, into: Uint8Array): Promise<void>
  write(offset: number, from: Uint8Array): Promise<void>
  /** As a write of zeroes; with `unmap` the space may be given back if it then still reads as zeroes. */
  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void>
  /** Everything written before survives a crash of process and machine once this resolves. */
  flush(): Promise<void>
  /** The content no longer matters: a hint. What it reads as afterwards is zeroes or the old data. */
  discard(offset: number, length: number): Promise<void>
  /** Status of the first extent of [offset, offset + length). A backend that cannot know says allocated, not zero, for all of it. */
  status(offset: number, length: number): Promise<BlockExtent>
  close(): Promise<void>
}

/**
 * The bytes a disk image lives in: a file, memory, a browser's private file, ranges over HTTP. Any offset and length, in bytes.
 * Promises reject with coded errors only.
 */
export interface ByteStore {
  /** Bytes now. */
  readonly size: number
  readonly readOnly: boolean
  /** Fills `into`; bytes behind the end read as zeroes. */
  read(offset: number, into: Uint8Array): Promise<void>
  /** Grows the store where it reaches behind the end; a gap reads as zeroes. */
  write(offset: number, from: Uint8Array): Promise<void>
  /** Everything written before survives a crash once this resolves. */
  flush(): Promise<void>
  /** Cuts off, or grows with zeroes. */
  truncate(size: number): Promise<void>
  /** The range reads as zeroes afterwards and takes no space where the host can do that; the size stays. */
  punchHole(offset: number, length: number): Promise<void>
  /** Next stretch of data or hole from `offset` on, if the host knows holes; else data to the end. `length` is 0 at or behind the end. */
  extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }>
  close(): Promise<void>
}

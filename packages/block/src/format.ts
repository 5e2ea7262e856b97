import type { BlockBackend, BlockExtent, ByteStore } from '@entresol/interfaces'
import type { Codecs } from './support/codecs.ts'

/** A disk image format. open.ts finds it by name or by content; entresol-img offers what it can. */
export interface ImageFormat {
  /** As in `-f NAME`: 'raw', 'qcow2', 'vmdk'. */
  readonly name: string
  /** How sure it is that a file is of this format, 0 to 100. `start`: the first 64 KiB; `end`: the last 512 bytes; less where the file is shorter. */
  probe(start: Uint8Array, end: Uint8Array, fileName: string): number
  /** Takes the store over: closing the image closes it. Fails with `bad-image`, `unsupported`; the store is then still the caller's. */
  open(store: ByteStore, options: ImageOpenOptions): Promise<ImageBackend>
  /** Makes an empty image in an empty store, which stays the caller's. Absent: this format is only read. */
  create?(store: ByteStore, options: ImageCreateOptions): Promise<void>
  /** What `-o` takes besides the size and the backing image. */
  readonly createOptions: readonly ImageOption[]
}

export interface ImageOption {
  /** As typed: 'cluster_size'. */
  readonly name: string
  readonly help: string
}

export interface ImageOpenOptions {
  /** Absent: compressed data is refused with `unsupported`. */
  readonly codecs?: Codecs
  /** Opens the image this one is a difference to, by the name it gives it. Absent: reading what only that image has fails with `no-backing`. */
  readonly openBacking?: (name: string, format: string | undefined) => Promise<BlockBackend>
  /** Opens a further file of this image (an extent, an external data file), by the name it gives it; as writable as the image. */
  readonly openFile?: (name: string) => Promise<ByteStore>
  /** Fills with random bytes, for the identifiers some formats change with the content. Absent: derived from the last ones. */
  readonly random?: (into: Uint8Array) => void
  /** Opens it for `check`: marks that it is dirty or corrupt neither forbid writing, nor are they mended at once. */
  readonly check?: boolean
}

export interface ImageCreateOptions {
  /** Bytes, a multiple of 512. */
  readonly size: number
  readonly backing?: BackingReference
  /** `-o name=value`; unknown names and bad values fail with `bad-option`. */
  readonly options?: Readonly<Record<string, string>>
  /** Makes a further file of this image, by the name the image gives it. */
  readonly createFile?: (name: string) => Promise<ByteStore>
  /** Opens the backing image's file read-only, by the name the image gives it: some formats write down which one it is. */
  readonly openFile?: (name: string) => Promise<ByteStore>
  /** Name of the image file, without folder: some formats write it down. */
  readonly fileName?: string
  /** Fills with random bytes, for the identifiers some formats carry. Absent: they are zero. */
  readonly random?: (into: Uint8Array) => void
  /** Seconds since 1970, for the dates some formats carry. */
  readonly now?: number
}

/** How an image names the image it is a difference to. */
export interface BackingReference {
  /** As it stands in the image: relative to the image's own folder, or absolute. */
  readonly name: string
  /** Absent: found by content. */
  readonly format?: string
}

/** An open image. */
export interface ImageBackend extends BlockBackend {
  readonly format: string
  /** What it is a difference to, if it is one. `image` is absent where it was not opened. */
  readonly backing?: (BackingReference & { readonly image?: BlockBackend }) | undefined
  status(offset: number, length: number): Promise<ImageExtent>
  info(): Promise<ImageInfo>
  /** Looks for errors in the image's own tables; with `repair` mends leaks, or everything it can. Absent: this format has nothing to check. */
  check?(repair?: 'leaks' | 'all'): Promise<CheckResult>
  /** Grows with zeroes, or cuts off. Absent, or `unsupported`: this format or this image cannot. */
  resize?(size: number): Promise<void>
  /** Changes the name it gives its backing image, nothing else: what is not allocated reads from the new one once opened anew. */
  changeBacking?(backing: BackingReference | undefined): Promise<void>
  /** As write, compressed if that saves space. One whole cluster (info().clusterSize), or less at the end of the disk. */
  writeCompressed?(offset: number, from: Uint8Array): Promise<void>
  /** Makes all of it unallocated, so that it reads from its backing image again (after a commit). */
  makeEmpty?(): Promise<void>
  readonly snapshots?: ImageSnapshots
}

export interface ImageExtent extends BlockExtent {
  /** The image itself says what the stretch reads as, be it data or zeroes; false: its backing image does. Absent: as `allocated`. */
  readonly present?: boolean
  /** Where the stretch begins in the image file, where it lies there plainly. */
  readonly fileOffset?: number
  readonly compressed?: boolean
}

export interface ImageInfo {
  /** Bytes per allocation unit, where there is one. */
  readonly clusterSize?: number
  /** Not closed properly by the last writer. */
  readonly dirty?: boolean
  /** As qemu-img's "format-specific" data, with its names. */
  readonly specific?: Readonly<Record<string, unknown>>
}

/** Names as in `qemu-img check --output=json`, in camel case. */
export interface CheckResult {
  readonly checkErrors: number
  readonly corruptions: number
  readonly leaks: number
  readonly corruptionsFixed: number
  readonly leaksFixed: number
  /** Bytes of the file that are in use. */
  readonly imageEndOffset: number
  readonly totalClusters: number
  readonly allocatedClusters: number
  readonly fragmentedClusters: number
  readonly compressedClusters: number
  /** One line for a person each, at most a hundred. */
  readonly messages: readonly string[]
}

export interface ImageSnapshot {
  readonly id: string
  readonly name: string
  /** Bytes of a saved machine. */
  readonly vmStateSize: number
  /** Seconds since 1970, and nanoseconds of that second. */
  readonly dateSeconds: number
  readonly dateNanoseconds: number
  /** Nanoseconds the guest had run. */
  readonly vmClock: bigint
  /** Size of the disk then, bytes. */
  readonly diskSize: number
}

/** Internal snapshots. `which` is an id or a name; unknown: `no-snapshot`. */
export interface ImageSnapshots {
  list(): readonly ImageSnapshot[]
  create(name: string, date: { readonly seconds: number; readonly nanoseconds: number }): Promise<void>
  apply(which: string): Promise<void>
  delete(which: string): Promise<void>
}

import * as spec from './spec.ts'

export type CpioKind = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo'

/** One member of an archive. Paths are relative, without a leading slash. */
export interface CpioEntry {
  readonly path: string
  readonly kind: CpioKind
  /** Permission bits, 0..0o7777. Default: 0o755 for directories, 0o777 for symlinks, 0o644 for the rest. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds since the epoch. Default 0, so that equal trees give equal bytes. */
  readonly mtime?: number
  /** A file's contents; text is written as UTF-8. */
  readonly data?: Uint8Array | string
  /** A symlink's target. */
  readonly target?: string
  /** Device number of a character or block node. */
  readonly major?: number
  readonly minor?: number
}

export const TYPE_BITS: Record<CpioKind, number> = {
  file: spec.S_IFREG, directory: spec.S_IFDIR, symlink: spec.S_IFLNK, character: spec.S_IFCHR, block: spec.S_IFBLK, fifo: spec.S_IFIFO
}

export const DEFAULT_MODE: Record<CpioKind, number> = {
  file: 0o644, directory: 0o755, symlink: 0o777, character: 0o644, block: 0o644, fifo: 0o644
}

import { constants } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { CodedError } from '@entresol/kit'
import type { FileNode, FileTree } from '../file-tree.ts'
import { DescriptorAccess, PathAccess } from './access.ts'
import type { Found, HostAccess } from './access.ts'
import { lstat, open, realpath } from './fs.ts'
import { HostNode } from './host-node.ts'

const O_PATH = 0o10000000

export interface HostFileTreeOptions {
  /** Wall-clock time in milliseconds since 1970, for "now" as a time of a file. */
  readonly wallClock: () => number
  /** Descriptors kept for objects a guest knows, beside those of open files. Default 1024. */
  readonly descriptors?: number
  /** How objects are reached; default by descriptors on Linux, elsewhere by checked paths. */
  readonly access?: 'descriptors' | 'paths'
}

/** What the nodes of one folder share. */
export class HostVolume {
  readonly access: HostAccess
  root: HostNode | undefined
  readonly #wallClock: () => number
  readonly #devices: bigint[] = []

  constructor(access: HostAccess, wallClock: () => number) {
    this.access = access
    this.#wallClock = wallClock
  }

  /** The inode number; file systems mounted below the root are told apart in the upper 16 bits. */
  idOf({ dev, ino }: BigIntStats): bigint {
    let index = this.#devices.indexOf(dev)
    if (index < 0) index = this.#devices.push(dev) - 1
    return BigInt.asUintN(64, ino ^ (BigInt(index) << 48n))
  }

  /** Seconds since 1970 as Node takes them: a double, so that the last digits of the nanoseconds are lost. */
  seconds(time: bigint | 'now'): number {
    return time === 'now' ? this.#wallClock() / 1000 : Number(time / 1_000_000_000n) + Number(time % 1_000_000_000n) / 1e9
  }

  /** Names with which the host means more than one component. */
  checkedName(name: string): string {
    const bad = process.platform === 'win32' ? /[\\/:\0]/ : /[/\0]/
    if (bad.test(name) || name === '.' || name === '..' || name === '') throw new CodedError('EINVAL', 'not a file name')
    return name
  }

  /** Work nobody waits for: closing what is not used. */
  later(work: Promise<void>): void {
    work.catch(() => {})
  }
}

/**
 * A folder of the host as a file tree. Nothing outside it is reached, whatever names, links and renames a guest comes up with, on Linux also
 * when others change the folder meanwhile (see `DescriptorAccess`). Needs Node.
 */
export class HostFileTree implements FileTree {
  readonly #root: HostNode

  private constructor(root: HostNode) {
    this.#root = root
  }

  /** Errors: those of Node for `folder` (`ENOENT`, `EACCES`, …); `not-a-directory`. */
  static async open(folder: string, options: HostFileTreeOptions): Promise<HostFileTree> {
    const path = await realpath(folder)
    const byDescriptors = (options.access ?? (process.platform === 'linux' ? 'descriptors' : 'paths')) === 'descriptors'
    const access = byDescriptors ? new DescriptorAccess(options.descriptors ?? 1024) : new PathAccess(path)
    const found: Found = access instanceof DescriptorAccess
      ? await access.found(await open(path, O_PATH | constants.O_NOFOLLOW))
      : { stats: await lstat(path), descriptor: undefined }
    const volume = new HostVolume(access, options.wallClock)
    const root = new HostNode(volume, found.stats)
    await access.adopt(root, found)
    volume.root = root
    if (root.kind === 'directory') return new HostFileTree(root)
    root.release()
    throw new CodedError('not-a-directory', `${folder} is not a directory`)
  }

  async root(): Promise<FileNode> {
    return this.#root.retain()
  }

  /** Lets go of the folder; nodes still in use keep what they need. */
  close(): void {
    this.#root.release()
  }
}

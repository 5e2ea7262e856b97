import { constants } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { CodedError } from '@entresol/kit'
import { chown, close, fstat, lchown, lstat, lutimes, open, stat, utimes } from './fs.ts'
import type { HostNode } from './host-node.ts'

/** O_PATH of Linux on every architecture Node runs on: a descriptor that only names an object, be it a symlink. */
const O_PATH = 0o10000000

/** An object that was found and whose name is still to be given to a node. */
export interface Found {
  readonly stats: BigIntStats
  /** The caller's own, where the platform has such descriptors. */
  readonly descriptor: number | undefined
}

/**
 * How the objects of the folder are reached, so that nothing outside it ever is. `use` gives a path that denotes the node itself while `work`
 * runs: of a directory `${path}/${name}` may be used by calls that do not follow a symlink in the last place.
 */
export interface HostAccess {
  use<T>(node: HostNode, work: (path: string) => Promise<T>): Promise<T>
  /** Looks at `name` in a directory, symlinks not followed. */
  find(directory: HostNode, name: string): Promise<Found>
  /** What the open file `fd` is; stays the caller's. */
  findOpen(fd: number): Promise<Found>
  /** A node is found, or found once more. */
  adopt(node: HostNode, found: Found): Promise<void>
  /** A node is not used any more. */
  forget(node: HostNode): Promise<void>
  /** On the node's path, for symlinks on the symlink itself. */
  readonly stat: (path: string) => Promise<BigIntStats>
  readonly chown: (path: string, uid: number, gid: number) => Promise<void>
  readonly utimes: (path: string, accessed: number, modified: number) => Promise<void>
  /** Added when a node's path is opened. */
  readonly openFlags: number
}

interface Descriptor {
  readonly fd: number
  users: number
}

/**
 * Linux: a node is an O_PATH descriptor, and its path is the descriptor's link in /proc/self/fd, which leads to that very object whatever
 * became of its name. That is openat(2) for Node: a path has one component behind a descriptor, and symlinks are not followed in it. At most
 * `limit` descriptors are kept; beyond it the longest unused one is closed, and its node found again by name and inode (ESTALE if it is gone).
 */
export class DescriptorAccess implements HostAccess {
  readonly stat: HostAccess['stat'] = stat
  readonly chown: HostAccess['chown'] = chown
  readonly utimes: HostAccess['utimes'] = utimes
  readonly openFlags: number = 0
  readonly #limit: number
  /** Longest unused first. */
  readonly #descriptors: Map<HostNode, Descriptor> = new Map()

  constructor(limit: number) {
    this.#limit = limit
  }

  async use<T>(node: HostNode, work: (path: string) => Promise<T>): Promise<T> {
    const reopened = this.#descriptors.has(node) ? undefined : await this.#findAgain(node)
    // From here to its last user nothing closes it.
    const descriptor = this.#descriptors.get(node) ?? { fd: reopened!, users: 0 }
    this.#descriptors.delete(node)
    this.#descriptors.set(node, descriptor)
    descriptor.users++
    try {
      return await work(`/proc/self/fd/${descriptor.fd}`)
    } finally {
      // A node that was forgotten meanwhile left its descriptor to its last user.
      if (--descriptor.users === 0 && this.#descriptors.get(node) !== descriptor) await close(descriptor.fd)
      // Two who reopened it at the same time.
      if (reopened !== undefined && reopened !== descriptor.fd) await close(reopened)
      await this.#evict()
    }
  }

  async find(directory: HostNode, name: string): Promise<Found> {
    const descriptor = await this.use(directory, (path) => open(`${path}/${name}`, O_PATH | constants.O_NOFOLLOW))
    return this.found(descriptor)
  }

  async findOpen(fd: number): Promise<Found> {
    return this.found(await open(`/proc/self/fd/${fd}`, O_PATH))
  }

  /** What an O_PATH descriptor, which it takes over, leads to. */
  async found(descriptor: number): Promise<Found> {
    try {
      return { stats: await fstat(descriptor), descriptor }
    } catch (error) {
      await close(descriptor)
      throw error
    }
  }

  async adopt(node: HostNode, { descriptor }: Found): Promise<void> {
    if (descriptor === undefined) return
    if (this.#descriptors.has(node)) await close(descriptor)
    else this.#descriptors.set(node, { fd: descriptor, users: 0 })
    await this.#evict()
  }

  async forget(node: HostNode): Promise<void> {
    const descriptor = this.#descriptors.get(node)
    this.#descriptors.delete(node)
    if (descriptor?.users === 0) await close(descriptor.fd)
  }

  /** A descriptor for a node that has none. */
  async #findAgain(node: HostNode): Promise<number> {
    const { location } = node
    if (location === undefined) throw new CodedError('ESTALE', 'the file was removed')
    const found = await this.find(location.directory, location.name)
    if (node.is(found.stats)) return found.descriptor!
    await close(found.descriptor!)
    throw new CodedError('ESTALE', 'the file was replaced')
  }

  async #evict(): Promise<void> {
    if (this.#descriptors.size <= this.#limit) return
    for (const [node, { fd, users }] of this.#descriptors) {
      if (users > 0 || node.isRoot) continue
      this.#descriptors.delete(node)
      await close(fd)
      if (this.#descriptors.size <= this.#limit) return
    }
  }
}

/**
 * Elsewhere: a node is a path, and before each use every component of it must still be the object it was, no symlink. Between that look and the
 * use another process of the host could put a symlink into the folder; the guest alone cannot, for its requests name objects that were looked at.
 */
export class PathAccess implements HostAccess {
  readonly stat: HostAccess['stat'] = lstat
  readonly chown: HostAccess['chown'] = lchown
  readonly utimes: HostAccess['utimes'] = lutimes
  readonly openFlags: number = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  readonly #root: string

  /** `root`: a real path. */
  constructor(root: string) {
    this.#root = root
  }

  async use<T>(node: HostNode, work: (path: string) => Promise<T>): Promise<T> {
    const chain = [node]
    for (let at = node; !at.isRoot;) {
      if (at.location === undefined) throw new CodedError('ESTALE', 'the file was removed')
      at = at.location.directory
      chain.push(at)
    }
    let path = this.#root
    for (const at of chain.reverse()) {
      if (at.location !== undefined) path = `${path}/${at.location.name}`
      if (!at.is(await lstat(path))) throw new CodedError('ESTALE', 'the file was replaced')
    }
    return work(path)
  }

  async find(directory: HostNode, name: string): Promise<Found> {
    return this.use(directory, async (path) => ({ stats: await lstat(`${path}/${name}`), descriptor: undefined }))
  }

  async findOpen(fd: number): Promise<Found> {
    return { stats: await fstat(fd), descriptor: undefined }
  }

  async adopt(): Promise<void> {}

  async forget(): Promise<void> {}
}

import { CodedError } from '@entresol/kit'
import type { FileNode, OpenDirectory, OpenFile } from './file-tree.ts'

/** What a client's number stands for (intro(5)). Its node and open file live until the last request that uses them is done. */
export class Fid {
  node: FileNode
  /** The client's user, from attach; undefined: not said. */
  readonly uid: number | undefined
  file: OpenFile | undefined
  directory: OpenDirectory | undefined
  /** lopen or lcreate was asked for, done or not: a fid is opened once. */
  opened = false
  /** Id of the file it took record locks on. */
  locked: bigint | undefined
  #users = 1

  /** Takes over the caller's reference of `node`. */
  constructor(node: FileNode, uid: number | undefined) {
    this.node = node
    this.uid = uid
  }

  retain(): void {
    this.#users++
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return
    const { file, directory } = this
    this.file = this.directory = undefined
    this.node.release()
    await file?.close()
    await directory?.close()
  }
}

/** The fids of one session, bounded in number, and in those that hold a file of the host open. */
export class FidTable {
  readonly #fids: Map<number, Fid> = new Map()
  readonly #maxFids: number
  readonly #maxOpen: number
  #open = 0
  #isOver = false

  constructor(maxFids: number, maxOpen: number) {
    this.#maxFids = maxFids
    this.#maxOpen = maxOpen
  }

  get size(): number {
    return this.#fids.size
  }

  get(number: number): Fid {
    const fid = this.#fids.get(number)
    if (fid === undefined) throw new CodedError('EBADF', `9P: no fid ${number}`)
    return fid
  }

  /** Fails where `number` cannot become a new fid. */
  checkFree(number: number): void {
    if (this.#isOver) throw new CodedError('EBADF', '9P: the session is over')
    if (this.#fids.has(number)) throw new CodedError('EBADF', `9P: fid ${number} is in use`)
    if (this.#fids.size >= this.#maxFids) throw new CodedError('ENFILE', '9P: too many fids')
  }

  /** Takes over the caller's reference of `node`, and gives it up when it fails. */
  add(number: number, node: FileNode, uid: number | undefined): void {
    try {
      this.checkFree(number)
    } catch (error) {
      node.release()
      throw error
    }
    this.#fids.set(number, new Fid(node, uid))
  }

  /** Claims the one opening of a fid. `abandonOpening` when it fails. */
  claimOpening(fid: Fid): void {
    if (fid.opened) throw new CodedError('EBADF', '9P: the fid is open')
    if (this.#open >= this.#maxOpen) throw new CodedError('ENFILE', '9P: too many open files')
    fid.opened = true
    this.#open++
  }

  abandonOpening(fid: Fid): void {
    fid.opened = false
    this.#open--
  }

  /** Forgets a fid, which ends with its last user. */
  async remove(number: number): Promise<void> {
    const fid = this.get(number)
    this.#fids.delete(number)
    if (fid.opened) this.#open--
    await fid.release()
  }

  /** Ends all; what requests under way would still add is refused. */
  async end(): Promise<void> {
    this.#isOver = true
    const all = [...this.#fids.values()]
    this.#fids.clear()
    this.#open = 0
    for (const fid of all) await fid.release()
  }

  /** Runs `work` with a fid that nobody ends meanwhile. */
  async use<T>(number: number, work: (fid: Fid) => Promise<T>): Promise<T> {
    const fid = this.get(number)
    fid.retain()
    try {
      return await work(fid)
    } finally {
      await fid.release()
    }
  }
}

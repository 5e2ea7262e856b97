import { CodedError } from '@entresol/kit'
import { LOCK_TYPE_UNLCK, LOCK_TYPE_WRLCK } from './spec.ts'

/** A POSIX record lock as 9P carries it; `length` 0 reaches to the end of every file. */
export interface LockRequest {
  readonly type: number
  readonly start: bigint
  readonly length: bigint
  readonly process: number
  readonly client: string
}

interface Held {
  readonly type: number
  readonly start: bigint
  /** Exclusive. */
  readonly end: bigint
  readonly process: number
  readonly client: string
  /** The fid by which it was taken: its end is the lock's. */
  readonly holder: object
}

const FOREVER = 1n << 65n
const endOf = (lock: LockRequest): bigint => (lock.length === 0n ? FOREVER : lock.start + lock.length)
const sameOwner = (a: Held, b: LockRequest): boolean => a.process === b.process && a.client === b.client

/** The record locks clients hold on the files of a tree, by the file's id (fcntl(2), F_SETLK). */
export class LockTable {
  readonly #files: Map<bigint, Held[]> = new Map()
  readonly #limit: number
  #count = 0

  /** `limit`: locks in all; beyond it `ENOLCK`. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Who is in the way of `wanted`. */
  conflict(file: bigint, wanted: LockRequest): LockRequest | undefined {
    const end = endOf(wanted)
    const other = this.#files.get(file)?.find((held) => held.start < end && wanted.start < held.end && !sameOwner(held, wanted)
      && (held.type === LOCK_TYPE_WRLCK || wanted.type === LOCK_TYPE_WRLCK))
    if (other === undefined) return undefined
    return { type: other.type, start: other.start, length: other.end === FOREVER ? 0n : other.end - other.start, process: other.process, client: other.client }
  }

  /** Takes or gives up a range, which replaces what the same owner held there. False: somebody else holds it. */
  set(file: bigint, wanted: LockRequest, holder: object): boolean {
    if (wanted.type !== LOCK_TYPE_UNLCK && this.conflict(file, wanted) !== undefined) return false
    const end = endOf(wanted)
    const before = this.#files.get(file) ?? []
    const after: Held[] = []
    for (const held of before) {
      if (!sameOwner(held, wanted) || held.end <= wanted.start || held.start >= end) after.push(held)
      else {
        if (held.start < wanted.start) after.push({ ...held, end: wanted.start })
        if (held.end > end) after.push({ ...held, start: end })
      }
    }
    if (wanted.type !== LOCK_TYPE_UNLCK) {
      after.push({ type: wanted.type, start: wanted.start, end, process: wanted.process, client: wanted.client, holder })
    }
    if (this.#count + after.length - before.length > this.#limit) throw new CodedError('ENOLCK', '9P: too many record locks')
    this.#store(file, before, after)
    return true
  }

  /** The fid is gone. */
  drop(file: bigint, holder: object): void {
    const before = this.#files.get(file)
    if (before !== undefined) this.#store(file, before, before.filter((held) => held.holder !== holder))
  }

  #store(file: bigint, before: Held[], after: Held[]): void {
    this.#count += after.length - before.length
    if (after.length === 0) this.#files.delete(file)
    else this.#files.set(file, after)
  }
}

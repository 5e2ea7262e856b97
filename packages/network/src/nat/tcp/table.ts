import { sameBytes } from '../../codec/index.ts'
import type { IpPacket, TcpView } from '../../codec/index.ts'
import type { TcpConnection } from './connection.ts'
import type { TcpPath } from './segment-writer.ts'

/** The connections of a NAT by their path. Hashes are salted, so that a guest cannot choose its collisions. */
export class TcpTable {
  readonly #salt: number
  readonly #buckets = new Map<number, TcpConnection>()
  size = 0

  constructor(salt: number) {
    this.#salt = salt
  }

  /** The connection that a segment of a guest belongs to. */
  find(ip: IpPacket, tcp: TcpView): TcpConnection | undefined {
    const { bytes, sourceAt, destinationAt, addressLength } = ip
    const hash = this.#hash(bytes, sourceAt, bytes, destinationAt, addressLength, tcp.sourcePort, tcp.destinationPort)
    for (let found = this.#buckets.get(hash); found !== undefined; found = found.next) {
      const { path } = found
      if (path.guestPort === tcp.sourcePort && path.remotePort === tcp.destinationPort && path.guest.length === addressLength &&
        sameBytes(path.guest, 0, bytes, sourceAt, addressLength) && sameBytes(path.remote, 0, bytes, destinationAt, addressLength)) return found
    }
    return undefined
  }

  has(path: TcpPath): boolean {
    const { guest, guestPort, remote, remotePort } = path
    for (let found = this.#buckets.get(this.#hashOf(path)); found !== undefined; found = found.next) {
      const other = found.path
      if (other.guestPort === guestPort && other.remotePort === remotePort && other.guest.join() === guest.join() && other.remote.join() === remote.join()) return true
    }
    return false
  }

  add(connection: TcpConnection): void {
    connection.hash = this.#hashOf(connection.path)
    connection.next = this.#buckets.get(connection.hash)
    this.#buckets.set(connection.hash, connection)
    this.size++
  }

  remove(connection: TcpConnection): void {
    let other = this.#buckets.get(connection.hash)
    if (other === connection) {
      if (connection.next === undefined) this.#buckets.delete(connection.hash)
      else this.#buckets.set(connection.hash, connection.next)
    } else {
      while (other !== undefined && other.next !== connection) other = other.next
      if (other === undefined) return
      other.next = connection.next
    }
    connection.next = undefined
    this.size--
  }

  *[Symbol.iterator](): IterableIterator<TcpConnection> {
    for (const first of [...this.#buckets.values()]) {
      for (let each: TcpConnection | undefined = first, next; each !== undefined; each = next) {
        next = each.next
        yield each
      }
    }
  }

  #hashOf({ guest, guestPort, remote, remotePort }: TcpPath): number {
    return this.#hash(guest, 0, remote, 0, guest.length, guestPort, remotePort)
  }

  #hash(a: Uint8Array, atA: number, b: Uint8Array, atB: number, length: number, portA: number, portB: number): number {
    let hash = Math.imul(this.#salt ^ portA, 0x9e3779b1) ^ portB
    for (let index = 0; index < length; index++) {
      hash = Math.imul(hash ^ (hash >>> 15) ^ a[atA + index]!, 0x85ebca6b)
      hash = Math.imul(hash ^ (hash >>> 13) ^ b[atB + index]!, 0xc2b2ae35)
    }
    return hash ^ (hash >>> 16)
  }
}

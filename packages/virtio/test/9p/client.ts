import type { NinePServer } from '../../src/9p/index.ts'
import * as spec from '../../src/9p/spec.ts'
import { MessageReader, MessageWriter } from '../../src/9p/wire.ts'

/** An error number the server answered. */
export class Refused extends Error {
  readonly errno: number
  constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }
}

export interface Stat {
  readonly qid: { type: number; path: bigint }
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: bigint
  readonly size: bigint
  readonly modified: bigint
}

/** A 9P2000.L client as small as a test wants it. The caller chooses its fids. */
export class Client {
  readonly #handle: (request: Uint8Array) => Promise<Uint8Array>
  #tag = 0

  constructor(server: Pick<NinePServer, 'handle'>) {
    this.#handle = (request) => server.handle(request)
  }

  async call(type: number, fields: (m: MessageWriter) => unknown, tag: number = this.#tag++ & 0xfff): Promise<MessageReader> {
    const message = new MessageWriter(type, tag)
    fields(message)
    const answer = await this.#handle(message.finish())
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
    if (view.getUint32(0, true) !== answer.length) throw new Error('size field and length differ')
    if (view.getUint16(5, true) !== tag) throw new Error('another tag')
    const reader = new MessageReader(answer)
    if (answer[4] === spec.RLERROR) throw new Refused(reader.u32())
    if (answer[4] !== type + 1) throw new Error(`answer of type ${answer[4]} to ${type}`)
    return reader
  }

  async version(size: number = 65_536, version: string = spec.VERSION_9P2000_L): Promise<[number, string]> {
    const r = await this.call(spec.TVERSION, (m) => m.u32(size).string(version))
    return [r.u32(), r.string()]
  }

  async attach(fid: number, uid: number = 1000): Promise<void> {
    await this.call(spec.TATTACH, (m) => m.u32(fid).u32(0xffff_ffff).string('root').string('').u32(uid))
  }

  async start(): Promise<this> {
    await this.version()
    await this.attach(0)
    return this
  }

  /** Returns how many names were walked. */
  async walk(fid: number, newFid: number, ...names: string[]): Promise<number> {
    const r = await this.call(spec.TWALK, (m) => {
      m.u32(fid).u32(newFid).u16(names.length)
      for (const name of names) m.string(name)
    })
    return r.u16()
  }

  async open(fid: number, flags: number = 0): Promise<void> {
    await this.call(spec.TLOPEN, (m) => m.u32(fid).u32(flags))
  }

  async create(fid: number, name: string, flags: number = spec.O_RDWR, mode: number = 0o644): Promise<void> {
    await this.call(spec.TLCREATE, (m) => m.u32(fid).string(name).u32(flags).u32(mode).u32(1000))
  }

  async read(fid: number, position: number, count: number): Promise<Uint8Array> {
    const r = await this.call(spec.TREAD, (m) => m.u32(fid).u64(position).u32(count))
    return r.bytes(r.u32())
  }

  async write(fid: number, position: number, bytes: Uint8Array | string): Promise<number> {
    const data = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
    const r = await this.call(spec.TWRITE, (m) => m.u32(fid).u64(position).u32(data.length).space(data.length).set(data))
    return r.u32()
  }

  async readdir(fid: number, count: number = 4096): Promise<{ name: string; type: number; path: bigint }[]> {
    const all: { name: string; type: number; path: bigint }[] = []
    for (let position = 0n; ;) {
      const r = await this.call(spec.TREADDIR, (m) => m.u32(fid).u64(position).u32(count))
      let left = r.u32()
      if (left === 0) return all
      while (left > 0) {
        r.u8()
        r.u32()
        const path = r.u64()
        position = r.u64()
        const type = r.u8()
        const name = r.string()
        all.push({ name, type, path })
        left -= 24 + new TextEncoder().encode(name).length
      }
    }
  }

  async getattr(fid: number): Promise<Stat> {
    const r = await this.call(spec.TGETATTR, (m) => m.u32(fid).u64(spec.GETATTR_BASIC))
    if (r.u64() !== BigInt(spec.GETATTR_BASIC)) throw new Error('not all basic attributes')
    const qid = { type: r.u8(), version: r.u32(), path: r.u64() }
    const [mode, uid, gid, links] = [r.u32(), r.u32(), r.u32(), r.u64()]
    r.u64()
    const size = r.u64()
    for (let skip = 0; skip < 4; skip++) r.u64()
    const modified = r.u64() * 1_000_000_000n + r.u64()
    return { qid, mode, uid, gid, links, size, modified }
  }

  async setattr(fid: number, valid: number, { mode = 0, uid = 0, gid = 0, size = 0, accessed = 0, modified = 0 } = {}): Promise<void> {
    await this.call(spec.TSETATTR, (m) => m.u32(fid).u32(valid).u32(mode).u32(uid).u32(gid).u64(size).u64(accessed).u64(5).u64(modified).u64(7))
  }

  async mkdir(fid: number, name: string, mode: number = 0o755): Promise<void> {
    await this.call(spec.TMKDIR, (m) => m.u32(fid).string(name).u32(mode).u32(1000))
  }

  async mknod(fid: number, name: string, mode: number): Promise<void> {
    await this.call(spec.TMKNOD, (m) => m.u32(fid).string(name).u32(mode).u32(1).u32(3).u32(0))
  }

  async symlink(fid: number, name: string, target: string): Promise<void> {
    await this.call(spec.TSYMLINK, (m) => m.u32(fid).string(name).string(target).u32(0))
  }

  async readlink(fid: number): Promise<string> {
    return (await this.call(spec.TREADLINK, (m) => m.u32(fid))).string()
  }

  async link(directory: number, fid: number, name: string): Promise<void> {
    await this.call(spec.TLINK, (m) => m.u32(directory).u32(fid).string(name))
  }

  async rename(fid: number, directory: number, name: string): Promise<void> {
    await this.call(spec.TRENAME, (m) => m.u32(fid).u32(directory).string(name))
  }

  async renameat(from: number, name: string, to: number, newName: string): Promise<void> {
    await this.call(spec.TRENAMEAT, (m) => m.u32(from).string(name).u32(to).string(newName))
  }

  async unlink(fid: number, name: string, flags: number = 0): Promise<void> {
    await this.call(spec.TUNLINKAT, (m) => m.u32(fid).string(name).u32(flags))
  }

  async remove(fid: number): Promise<void> {
    await this.call(spec.TREMOVE, (m) => m.u32(fid))
  }

  async clunk(fid: number): Promise<void> {
    await this.call(spec.TCLUNK, (m) => m.u32(fid))
  }

  /** Returns the status. */
  async lock(fid: number, type: number, start: number, length: number, process: number): Promise<number> {
    const r = await this.call(spec.TLOCK, (m) => m.u32(fid).u8(type).u32(0).u64(start).u64(length).u32(process).string('guest'))
    return r.u8()
  }

  async getlock(fid: number, type: number, start: number, length: number, process: number): Promise<{ type: number; start: bigint; length: bigint; process: number }> {
    const r = await this.call(spec.TGETLOCK, (m) => m.u32(fid).u8(type).u64(start).u64(length).u32(process).string('guest'))
    return { type: r.u8(), start: r.u64(), length: r.u64(), process: r.u32() }
  }
}

/** The error number an operation is refused with; undefined when it is not. */
export async function refused(operation: Promise<unknown>): Promise<number | undefined> {
  try {
    await operation
    return undefined
  } catch (error) {
    if (error instanceof Refused) return error.errno
    throw error
  }
}

import { CodedError } from '@entresol/kit'
import { NbdDisk } from '../src/nbd/disk.ts'
import type { ByteDuplex } from '../src/nbd/duplex.ts'
import { counted, pack, u16, u32, u64 } from '../src/nbd/pack.ts'
import { ByteReader } from '../src/nbd/reader.ts'
import { serveNbd } from '../src/nbd/server.ts'
import { BASE_ALLOCATION, IHAVEOPT, NBDMAGIC, NBD_OPT_GO, NBD_REP_ACK, NBD_REQUEST_MAGIC, NBD_SIMPLE_REPLY_MAGIC, NBD_STRUCTURED_REPLY_MAGIC, OPTION_REPLY_MAGIC } from '../src/nbd/spec.ts'
import { duplexPair, memoryDisk } from '../test/nbd/support.ts'

const SIZE = 1 << 20
/** No side may need so long for so little: it hangs. */
const PATIENCE = 20_000

class Failure extends CodedError {
  constructor(what: string) {
    super('fuzz-failure', what)
  }
}

/** Choices that depend on nothing but the seed. */
class Choice {
  #state: number
  constructor(seed: number) {
    this.#state = seed | 0
  }

  below(limit: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * limit)
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0
  }

  of<T>(...values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  number(): number {
    return this.of(0, 1, 4, 512, 4096, SIZE - 512, SIZE, SIZE + 1, 0xffff, 0x7fffffff, 0xffffffff, this.below(8192), this.below(64) * 512)
  }

  /** Now and then something in `bytes` is wrong. */
  spoil(bytes: Uint8Array): Uint8Array {
    if (!this.chance(12) || bytes.length === 0) return bytes
    const spoilt = bytes.slice()
    if (this.chance(3)) return spoilt.subarray(0, this.below(bytes.length))
    for (let count = 1 + this.below(3); count > 0; count--) spoilt[this.below(spoilt.length)] = this.of(0, 1, 0x7f, 0x80, 0xff, this.below(256))
    return spoilt
  }

  async send(duplex: ByteDuplex, bytes: Uint8Array): Promise<void> {
    const spoilt = this.spoil(bytes)
    const cut = this.chance(3) ? this.below(spoilt.length + 1) : spoilt.length
    await duplex.write([spoilt.subarray(0, cut), spoilt.subarray(cut)])
  }
}

async function settles<Result>(what: string, promise: Promise<Result>): Promise<Result | CodedError> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => timer = setTimeout(() => reject(new Failure(`${what} hangs`)), PATIENCE))
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    if (error instanceof Failure) throw error
    return error
  } finally {
    clearTimeout(timer)
  }
}

/** A client that keeps to the protocol nearly always talks to our server, which must end with a coded error or none. */
export async function fuzzServer(seed: number): Promise<void> {
  const choice = new Choice(seed)
  const [ours, theirs] = duplexPair()
  const served = serveNbd(theirs, { exports: [{ name: '', backend: memoryDisk(SIZE), readOnly: choice.chance(4) }] })
  const drained = (async () => {
    while (await ours.read());
  })()
  const name = (): string => choice.of('', '', 'x', 'ä'.repeat(100))
  const option = (): Uint8Array => {
    const number = choice.of(3, 5, 6, 7, 8, 8, 9, 10, 10, choice.below(16))
    const data = number === 6 || number === 7 ? pack(counted(name()), u16(1), u16(choice.below(5)))
      : number === 9 || number === 10 ? pack(counted(name()), u32(choice.chance(9) ? choice.number() : 1), counted(choice.of(BASE_ALLOCATION, 'base:', 'x-y:z')))
        : choice.chance(5) ? choice.bytes(choice.below(64)) : new Uint8Array(0)
    return pack(u64(IHAVEOPT), u32(number), u32(choice.chance(20) ? choice.number() : data.length), data)
  }
  const request = (): Uint8Array => {
    const type = choice.of(0, 0, 1, 1, 3, 4, 6, 7, 7, choice.below(12))
    const length = choice.chance(9) ? choice.number() : choice.below(64) * 512
    const offset = choice.chance(9) ? BigInt(choice.number()) * BigInt(choice.number()) : BigInt(choice.below(SIZE / 512) * 512)
    const header = pack(u32(NBD_REQUEST_MAGIC), u16(choice.of(0, 0, 1, 2, 4, 8, choice.below(64))), u16(type), u64(BigInt(choice.below(99))), u64(offset), u32(length))
    return type === 1 ? pack(header, new Uint8Array(Math.min(length, 65536))) : header
  }
  const talk = async (): Promise<void> => {
    await choice.send(ours, u32(choice.of(3, 3, 3, 1, 0)))
    for (let count = choice.below(8); count > 0; count--) await choice.send(ours, option())
    await choice.send(ours, pack(u64(IHAVEOPT), u32(NBD_OPT_GO), u32(6), counted(''), u16(0)))
    for (let count = choice.below(30); count > 0; count--) await choice.send(ours, request())
  }
  await settles('the client', talk())
  ours.close()
  const end = await settles('the server', served)
  await drained
  if (end !== undefined && !(end instanceof CodedError)) throw new Failure(`the server ended with ${String(end)}`)
}

/** A server that keeps to the protocol nearly always answers our client, all of whose requests must settle. */
export async function fuzzClient(seed: number): Promise<void> {
  const choice = new Choice(seed)
  let connections = 0
  const connect = async (): Promise<ByteDuplex> => {
    if (++connections > 3) throw new CodedError('connection-lost', 'enough')
    const [ours, theirs] = duplexPair()
    answer(choice, theirs).catch((error: unknown) => {
      if (!(error instanceof CodedError)) throw error
    }).finally(() => theirs.close())
    return ours
  }
  const opened = await settles('opening', NbdDisk.open({ connect, reconnectMilliseconds: 1, timeoutMilliseconds: 50 }))
  if (opened instanceof CodedError) return
  const sectors = Math.min(opened.size, SIZE) / 512
  const range = (): [number, number] => {
    const at = choice.below(sectors)
    return [at * 512, Math.min(sectors - at, 1 + choice.below(32)) * 512]
  }
  const work = Array.from({ length: sectors > 0 ? 1 + choice.below(12) : 0 }, (): Promise<unknown> => {
    const [offset, length] = range()
    switch (choice.below(6)) {
      case 0: return opened.write(offset, new Uint8Array(length))
      case 1: return opened.writeZeroes(offset, length, choice.chance(2))
      case 2: return opened.discard(offset, length)
      case 3: return opened.flush()
      case 4: return opened.status(offset, length)
      default: return opened.read(offset, new Uint8Array(length))
    }
  })
  await Promise.all(work.map((each, index) => settles(`request ${index}`, each)))
  await settles('closing', opened.close())
}

async function answer(choice: Choice, duplex: ByteDuplex): Promise<void> {
  const reader = new ByteReader(duplex)
  await choice.send(duplex, pack(u64(NBDMAGIC), u64(IHAVEOPT), u16(choice.of(3, 3, 3, 1, 0, 0xffff))))
  await reader.skip(4)
  let structured = false
  for (let go = false; !go;) {
    const header = await reader.view(16)
    const option = header.getUint32(8)
    await reader.skip(header.getUint32(12))
    const reply = (type: number, data: Uint8Array): Promise<void> => choice.send(duplex, pack(u64(OPTION_REPLY_MAGIC), u32(option), u32(type), u32(choice.chance(30) ? choice.number() : data.length), data))
    if (option === 1) return choice.send(duplex, pack(u64(BigInt(SIZE)), u16(0xffff), new Uint8Array(124)))
    if (option === 10) await reply(4, pack(u32(1), new TextEncoder().encode(BASE_ALLOCATION)))
    if (option === 7) {
      await reply(3, pack(u16(0), u64(choice.chance(9) ? BigInt(choice.number()) ** 2n : BigInt(SIZE)), u16(choice.of(0x1ff, 0x1fd, 1, 0xffff))))
      if (choice.chance(2)) await reply(3, pack(u16(3), u32(choice.of(1, 512, 4096, choice.number())), u32(4096), u32(choice.of(1 << 25, 65536, choice.number()))))
    }
    const refused = choice.chance(9)
    await reply(refused ? 0x80000001 : NBD_REP_ACK, new Uint8Array(0))
    structured ||= option === 8 && !refused
    go = option === 7 && !refused
  }
  for (;;) {
    const header = await reader.view(28)
    const type = header.getUint16(6)
    const length = header.getUint32(24)
    if (type === 1) await reader.skip(length)
    if (type === 2) return
    const cookie = u64(choice.chance(30) ? 1n : header.getBigUint64(8))
    const offset = header.getBigUint64(16)
    const error = choice.chance(9) ? choice.of(1, 5, 22, 28, 108) : 0
    if (!structured) {
      await choice.send(duplex, pack(u32(NBD_SIMPLE_REPLY_MAGIC), u32(error), cookie, new Uint8Array(type === 0 && error === 0 ? length : 0)))
      continue
    }
    const chunk = (flags: number, kind: number, payload: Uint8Array): Promise<void> =>
      choice.send(duplex, pack(u32(NBD_STRUCTURED_REPLY_MAGIC), u16(flags), u16(kind), cookie, u32(choice.chance(30) ? choice.number() : payload.length), payload))
    if (type === 0 && error === 0) {
      const half = choice.below(length)
      if (half > 0) await chunk(0, 1, pack(u64(offset), new Uint8Array(half)))
      await chunk(0, choice.chance(20) ? 1 : 2, pack(u64(offset + BigInt(half)), u32(length - half)))
    }
    if (type === 7) await chunk(0, 5, pack(u32(1), u32(choice.of(512, length, choice.number())), u32(choice.below(4))))
    if (error > 0) await chunk(1, 0x8001, pack(u32(error), u16(3), choice.bytes(3)))
    else await chunk(1, 0, new Uint8Array(0))
  }
}

import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { CodedError } from '@entresol/kit'
import { NbdDisk } from '../../src/nbd/disk.ts'
import { counted, pack, u16, u32, u64 } from '../../src/nbd/pack.ts'
import { ByteReader } from '../../src/nbd/reader.ts'
import { serveNbd } from '../../src/nbd/server.ts'
import {
  BASE_ALLOCATION, IHAVEOPT, NBDMAGIC, NBD_CMD_BLOCK_STATUS, NBD_CMD_READ, NBD_CMD_WRITE, NBD_OPT_GO, NBD_OPT_LIST, NBD_OPT_SET_META_CONTEXT,
  NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, NBD_REP_ERR_TOO_BIG, NBD_REP_ERR_UNSUP, NBD_REP_INFO, NBD_REPLY_TYPE_NONE, NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE, NBD_REQUEST_MAGIC, NBD_STRUCTURED_REPLY_MAGIC, OPTION_REPLY_MAGIC,
} from '../../src/nbd/spec.ts'
import { fuzzClient, fuzzServer } from '../../fuzz/nbd.ts'
import { duplexPair, memoryDisk } from './support.ts'

const SIZE = 1 << 20
const option = (number: number, data: Uint8Array = new Uint8Array(0)): Uint8Array => pack(u64(IHAVEOPT), u32(number), u32(data.length), data)
const request = (type: number, offset: bigint, length: number, flags = 0): Uint8Array =>
  pack(u32(NBD_REQUEST_MAGIC), u16(flags), u16(type), u64(7n), u64(offset), u32(length))
const go = option(NBD_OPT_GO, pack(counted(''), u16(0)))

/** A server, and a client that may say anything. */
function server(limits: { handshakeMilliseconds?: number; stallMilliseconds?: number } = {}) {
  const [ours, theirs] = duplexPair()
  const ended = serveNbd(theirs, { exports: [{ name: '', backend: memoryDisk(SIZE), readOnly: false }], ...limits })
  const reader = new ByteReader(ours)
  return { ours, reader, ended, greet: async () => {
    await reader.skip(18)
    await ours.write([u32(3)])
  } }
}

async function optionReply(reader: ByteReader): Promise<number> {
  const header = await reader.view(20)
  await reader.skip(header.getUint32(16))
  return header.getUint32(12)
}

describe('a hostile client of our NBD server', () => {
  it('is hung up on for unknown flags, a wrong magic number, an endless option or too many of them', async () => {
    for (const bytes of [u32(0x10), pack(u32(3), u64(1n), u64(1n)), pack(u32(3), u64(IHAVEOPT), u32(99), u32(0x7fffffff))]) {
      const { ours, ended } = server()
      await ours.write([bytes])
      expect(await ended).toMatchObject({ code: 'bad-peer' })
    }
    const { ours, greet, ended, reader } = server()
    await greet()
    for (let count = 0; count < 64; count++) {
      await ours.write([option(NBD_OPT_LIST)])
      while (await optionReply(reader) !== NBD_REP_ACK);
    }
    expect(await ended).toMatchObject({ code: 'bad-peer' })
  })

  it('gets an answer to what is unknown or too long, and can go on', async () => {
    const { ours, reader, greet } = server()
    await greet()
    await ours.write([option(77, new Uint8Array(100))])
    expect(await optionReply(reader)).toBe(NBD_REP_ERR_UNSUP)
    await ours.write([option(NBD_OPT_LIST, new Uint8Array(100_000))])
    expect(await optionReply(reader)).toBe(NBD_REP_ERR_TOO_BIG)
    await ours.write([go])
    expect(await optionReply(reader)).toBe(NBD_REP_INFO)
  })

  it('is hung up on when it says nothing for too long, before or within a request', async () => {
    const silent = server({ handshakeMilliseconds: 20 })
    await silent.ended
    expect(await silent.reader.exactly(18)).toHaveLength(18)
    expect(await silent.reader.atEnd()).toBe(true)
    const halfway = server({ stallMilliseconds: 20 })
    await halfway.greet()
    await halfway.ours.write([go, request(NBD_CMD_WRITE, 0n, 512), new Uint8Array(100)])
    expect(await halfway.ended).toMatchObject({ code: 'connection-lost' })
  })

  it('is hung up on for a write no buffer should hold', async () => {
    const { ours, greet, ended } = server()
    await greet()
    await ours.write([go, request(NBD_CMD_WRITE, 0n, 0xffffffff)])
    expect(await ended).toMatchObject({ code: 'bad-peer' })
  })

  it('that takes no replies is not read from any more, and hung up on', async () => {
    const { ours, greet, ended } = server({ stallMilliseconds: 50 })
    await greet()
    await ours.write([go])
    const flood = (async () => {
      for (let count = 0; count < 100_000; count++) await ours.write([request(NBD_CMD_READ, 0n, SIZE)])
    })().catch((error: unknown) => error)
    await ended
    expect(await flood).toBeInstanceOf(CodedError)
  })

  it('gets errors for requests outside the disk, of parts of sectors, unknown or with unknown flags', async () => {
    const { ours, reader, greet } = server()
    await greet()
    await ours.write([go])
    while (await optionReply(reader) !== NBD_REP_ACK);
    const bad: [Uint8Array, number][] = [
      [request(NBD_CMD_READ, BigInt(SIZE), 512), 22], [request(NBD_CMD_READ, 2n ** 64n - 512n, 512), 22], [request(NBD_CMD_READ, 1n, 512), 22],
      [pack(request(NBD_CMD_WRITE, BigInt(SIZE), 512), new Uint8Array(512)), 28], [request(NBD_CMD_BLOCK_STATUS, 0n, 512), 22],
      [request(4711, 0n, 0), 22], [request(NBD_CMD_READ, 0n, 512, 0x80), 22],
    ]
    for (const [bytes, error] of bad) {
      await ours.write([bytes])
      const reply = await reader.view(16)
      expect(reply.getUint32(4)).toBe(error)
    }
  })

  it('whatever it sends, the server ends or answers', { timeout: 60_000 }, () => fc.assert(fc.asyncProperty(fc.integer(), fuzzServer), { numRuns: 300 }))
})

/** A server that agrees to structured replies, then answers the first request with `chunks`. */
async function answer(...chunks: [type: number, flags: number, payload: Uint8Array][]): Promise<CodedError | undefined> {
  const [ours, theirs] = duplexPair()
  const speak = async (): Promise<void> => {
    const reader = new ByteReader(theirs)
    await theirs.write([pack(u64(NBDMAGIC), u64(IHAVEOPT), u16(3))])
    await reader.skip(4)
    const reply = (number: number, type: number, data: Uint8Array): Promise<void> => theirs.write([pack(u64(OPTION_REPLY_MAGIC), u32(number), u32(type), u32(data.length), data)])
    for (;;) {
      const header = await reader.view(16)
      const number = header.getUint32(8)
      await reader.skip(header.getUint32(12))
      if (number === NBD_OPT_SET_META_CONTEXT) await reply(number, 4, pack(u32(5), new TextEncoder().encode(BASE_ALLOCATION)))
      if (number === NBD_OPT_GO) await reply(number, NBD_REP_INFO, pack(u16(0), u64(BigInt(SIZE)), u16(0xd)))
      await reply(number, NBD_REP_ACK, new Uint8Array(0))
      if (number === NBD_OPT_STRUCTURED_REPLY || number === NBD_OPT_SET_META_CONTEXT) continue
      break
    }
    const { buffer } = await reader.exactly(28)
    const cookie = new DataView(buffer).getBigUint64(8)
    await theirs.write(chunks.map(([type, flags, payload]) => pack(u32(NBD_STRUCTURED_REPLY_MAGIC), u16(flags), u16(type), u64(cookie), u32(payload.length), payload)))
  }
  speak().catch(() => {})
  const disk = await NbdDisk.open({ connect: async () => ours, reconnectMilliseconds: 0 })
  try {
    await disk.read(4096, new Uint8Array(4096))
    return undefined
  } catch (error) {
    return error as CodedError
  } finally {
    await disk.close()
  }
}

const data = (offset: number, length: number): [number, number, Uint8Array] => [NBD_REPLY_TYPE_OFFSET_DATA, 0, pack(u64(BigInt(offset)), new Uint8Array(length))]
const hole = (offset: number, length: number): [number, number, Uint8Array] => [NBD_REPLY_TYPE_OFFSET_HOLE, 0, pack(u64(BigInt(offset)), u32(length))]
const done: [number, number, Uint8Array] = [NBD_REPLY_TYPE_NONE, 1, new Uint8Array(0)]

describe('a hostile server of our NBD client', () => {
  it('may send the pieces of a read in any order', async () => {
    expect(await answer(hole(6144, 2048), data(4608, 1536), data(4096, 512), done)).toBeUndefined()
  })

  it('is left for pieces outside the read, that overlap, or that are missing', async () => {
    for (const chunks of [
      [data(0, 4096), done], [data(4096, 4608), done], [hole(8191, 2), done], [data(4096, 4096), hole(8191, 1), done], [data(4096, 2048), hole(6000, 2192), done],
      [data(4096, 2048), done], [done], [hole(4096, 0), data(4096, 4096), done],
    ]) expect(await answer(...chunks)).toMatchObject({ code: 'bad-peer' })
  })

  it('is left for chunks that do not belong here', async () => {
    expect(await answer([5, 1, pack(u32(5), u32(512), u32(0))])).toMatchObject({ code: 'bad-peer' })
    expect(await answer([99, 1, new Uint8Array(3)])).toMatchObject({ code: 'bad-peer' })
    expect(await answer([0x8001, 1, new Uint8Array(3)])).toMatchObject({ code: 'bad-peer' })
    expect(await answer([0x8001, 1, pack(u32(5), u16(9999), new Uint8Array(2))])).toMatchObject({ code: 'bad-peer' })
  })

  it('its errors are errors of the one request, and its words fit one line', async () => {
    const words = new TextEncoder().encode('no\x1b[2Jluck\n\n')
    const error = await answer([0x8001, 1, pack(u32(5), u16(words.length), words)])
    expect(error).toMatchObject({ code: 'io-error' })
    expect(error!.message).not.toMatch(/\p{C}/u)
  })

  it('whatever it sends, every request of the client settles', { timeout: 60_000 }, () => fc.assert(fc.asyncProperty(fc.integer(), fuzzClient), { numRuns: 200 }))
})

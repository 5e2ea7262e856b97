import { describe, expect, it } from 'vitest'
import { blockBackendSuite, byteStoreSuite, describeSuite } from '@entresol/compliance'
import { NbdClient } from '../../src/nbd/client.ts'
import { listNbdExports } from '../../src/nbd/client-handshake.ts'
import { NbdDisk } from '../../src/nbd/disk.ts'
import type { ByteDuplex } from '../../src/nbd/duplex.ts'
import { serveNbd } from '../../src/nbd/server.ts'
import type { NbdExport } from '../../src/nbd/server.ts'
import { NbdStore } from '../../src/nbd/store.ts'
import { RawImage } from '../../src/raw/raw.ts'
import { MemoryStore } from '../../src/stores/memory-store.ts'
import { duplexPair, memoryDisk, pattern, streamPair } from './support.ts'

const MIB = 1 << 20

/** Connects to a server of `exports` in this process. */
const connector = (...exports: NbdExport[]) => async (): Promise<ByteDuplex> => {
  const [ours, theirs] = duplexPair()
  void serveNbd(theirs, { exports })
  return ours
}

const disk = (size = MIB, readOnly = false, name = ''): NbdExport => ({ name, backend: memoryDisk(size), readOnly })

describeSuite(blockBackendSuite, async () => ({ backend: await NbdDisk.open({ connect: connector(disk()) }) }), { describe, it })
describeSuite(blockBackendSuite, async () => ({ backend: await NbdDisk.open({ connect: connector(disk(MIB, true)) }) }), { describe, it })

describeSuite(byteStoreSuite, async () => ({ store: await NbdStore.open({ connect: connector(disk(MIB, true)) }) }), { describe, it })

describe('NBD, our client at our server', () => {
  it('holes and zeroes are told, and read as zeroes', async () => {
    const client = await NbdDisk.open({ connect: connector(disk(MIB)) })
    const data = pattern(65536, 1)
    await client.write(131072, data)
    expect(await client.status(0, MIB)).toEqual({ length: 131072, allocated: false, zero: true })
    expect(await client.status(131072, MIB - 131072)).toEqual({ length: 65536, allocated: true, zero: false })
    const whole = new Uint8Array(MIB).fill(1)
    await client.read(0, whole)
    expect(whole.subarray(131072, 196608)).toEqual(data)
    expect(whole.subarray(196608).every(byte => byte === 0)).toBe(true)
    await client.writeZeroes(131072, 65536, true)
    expect(await client.status(0, MIB)).toEqual({ length: MIB, allocated: false, zero: true })
    await client.close()
  })

  it('works over web streams', async () => {
    const [ours, theirs] = streamPair()
    const served = serveNbd(theirs, { exports: [disk()] })
    const client = await NbdDisk.open({ connect: async () => ours })
    await client.write(4096, pattern(8192, 2))
    const back = new Uint8Array(8192)
    await client.read(4096, back)
    expect(back).toEqual(pattern(8192, 2))
    await client.close()
    expect(await served).toBeUndefined()
  })

  it('requests longer than a payload are split', async () => {
    const client = await NbdDisk.open({ connect: connector(disk(80 * MIB)) })
    const data = new Uint8Array(70 * MIB).fill(0x5a)
    await client.write(MIB, data)
    const back = new Uint8Array(70 * MIB)
    await client.read(MIB, back)
    expect(Buffer.compare(back, data)).toBe(0)
    await client.close()
  })

  it('hundreds of requests are under way at a time', async () => {
    const client = await NbdDisk.open({ connect: connector(disk(MIB)), connections: 4 })
    const data = pattern(MIB, 3)
    await Promise.all(Array.from({ length: 512 }, (_, index) => client.write(index * 2048, data.subarray(index * 2048, index * 2048 + 2048))))
    await client.flush()
    const back = new Uint8Array(MIB)
    await Promise.all(Array.from({ length: 512 }, (_, index) => client.read(index * 2048, back.subarray(index * 2048, index * 2048 + 2048))))
    expect(Buffer.compare(back, data)).toBe(0)
    await client.close()
  })

  it('a store reads and writes any bytes, though the server wants sectors', async () => {
    const store = await NbdStore.open({ connect: connector(disk(MIB)) })
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.write(1000 + index, Uint8Array.of(index + 1))))
    const back = new Uint8Array(52)
    await store.read(999, back)
    expect([...back]).toEqual(Array.from({ length: 52 }, (_, index) => index <= 50 ? index : 0))
    await store.punchHole(1010, 1000)
    await store.read(1000, back)
    expect([...back]).toEqual(Array.from({ length: 52 }, (_, index) => index < 10 ? index + 1 : 0))
    const end = new Uint8Array(10).fill(9)
    await store.read(MIB - 5, end)
    expect([...end]).toEqual(new Array(10).fill(0))
    await expect(store.write(MIB - 5, end)).rejects.toMatchObject({ code: 'no-space' })
    await store.close()
  })

  it('exports are listed, chosen by name, and an unknown one is refused', async () => {
    const connect = connector({ ...disk(MIB, false, 'a'), description: 'first' }, disk(2 * MIB, true, 'b'))
    expect(await listNbdExports(await connect())).toEqual([{ name: 'a', description: 'first' }, { name: 'b', description: '' }])
    const client = await NbdDisk.open({ connect, exportName: 'b' })
    expect([client.size, client.readOnly]).toEqual([2 * MIB, true])
    await expect(NbdDisk.open({ connect, exportName: 'c' })).rejects.toMatchObject({ code: 'no-export' })
    await expect(NbdDisk.open({ connect })).rejects.toMatchObject({ code: 'no-export' })
  })

  it('a lost connection is made again, and what was under way is done', async () => {
    const served = disk(MIB)
    const connect = connector(served)
    const made: ByteDuplex[] = []
    const client = await NbdDisk.open({ connect: async () => {
      const duplex = await connect()
      made.push(duplex)
      return duplex
    } })
    const data = pattern(512, 5)
    for (let round = 0; round < 5; round++) {
      const writes = Array.from({ length: 8 }, (_, index) => client.write((round * 8 + index) * 512, data))
      made.at(-1)!.close()
      await Promise.all(writes)
    }
    expect(made.length).toBeGreaterThanOrEqual(5)
    const back = new Uint8Array(40 * 512)
    await client.read(0, back)
    for (let at = 0; at < back.length; at += 512) expect(back.subarray(at, at + 512)).toEqual(data)
    await client.close()
  })

  it('a server that stays away ends the wait with an error, and one that came back changed does at once', async () => {
    let mode: 'there' | 'away' | 'changed' = 'there'
    let first: ByteDuplex | undefined
    const client = await NbdClient.open({ reconnectMilliseconds: 300, connect: async () => {
      if (mode === 'away') {
        const [ours, theirs] = duplexPair()
        theirs.close()
        return ours
      }
      return first = await connector(disk(mode === 'there' ? MIB : 2 * MIB))()
    } })
    mode = 'away'
    first!.close()
    await expect(client.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'connection-lost' })
    mode = 'changed'
    await expect(client.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'changed' })
    mode = 'there'
    await client.read(0, new Uint8Array(512))
  })

  it('a server that stops answering counts as lost, one that is slow does not', async () => {
    const [ours, theirs] = duplexPair()
    let slow = 0
    const trickle: ByteDuplex = { close: () => theirs.close(), read: () => theirs.read(), write: async chunks => {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += 8192) {
          if (slow > 0) await new Promise(resolve => setTimeout(resolve, slow))
          await theirs.write([chunk.subarray(at, at + 8192)])
        }
      }
    } }
    void serveNbd(trickle, { exports: [disk()] })
    const client = await NbdDisk.open({ connect: async () => ours, reconnectMilliseconds: 0, timeoutMilliseconds: 100 })
    await client.write(0, pattern(MIB, 4))
    slow = 10
    await client.read(0, new Uint8Array(256 << 10))
    slow = 100_000
    await expect(client.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'connection-lost' })
  })

  it('an export of a disk that is only read is read-only', async () => {
    const image = new RawImage(new MemoryStore(new Uint8Array(MIB), true))
    const client = await NbdDisk.open({ connect: connector({ name: '', backend: image }) })
    expect(client.readOnly).toBe(true)
    await client.close()
  })

  it('a server that shuts down answers what it has, then ends', async () => {
    const [ours, theirs] = duplexPair()
    const ending = new AbortController()
    const served = serveNbd(theirs, { exports: [disk()], signal: ending.signal })
    const client = await NbdDisk.open({ connect: async () => ours, reconnectMilliseconds: 0 })
    await client.write(0, pattern(512, 1))
    ending.abort()
    expect(await served).toBeUndefined()
    await expect(client.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'connection-lost' })
  })
})

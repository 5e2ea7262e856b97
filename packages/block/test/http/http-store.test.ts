import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { byteStoreSuite, describeSuite } from '@entresol/compliance'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HttpStore } from '../../src/http/http-store.ts'
import { pattern } from '../nbd/support.ts'

const MIB = 1 << 20

describe('a file on a web server', () => {
  let content = pattern(6 * MIB + 123, 1)
  /** What the server does otherwise than well, for the next requests. */
  let quirk: ((request: IncomingMessage, response: ServerResponse, from: number, to: number) => boolean) | undefined
  const asked: string[] = []
  let url = ''

  const server = createServer((request, response) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    asked.push(request.headers.range ?? request.method ?? '')
    const from = Number(range?.[1] ?? 0)
    const to = Math.min(content.length, Number(range?.[2] ?? content.length) + 1)
    if (quirk?.(request, response, from, to)) return
    if (from >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end()
      return
    }
    response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${content.length}`, 'etag': '"one"' }).end(content.subarray(from, to))
  })

  beforeAll(async () => {
    await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`
  })
  afterAll(() => void server.close())
  beforeEach(() => {
    quirk = undefined
    content = pattern(6 * MIB + 123, 1)
    asked.length = 0
  })

  it('is read byte by byte and as a whole, and is zero behind the end', async () => {
    const store = await HttpStore.open(url)
    expect([store.size, store.readOnly]).toEqual([content.length, true])
    const whole = new Uint8Array(content.length + 10).fill(1)
    await store.read(0, whole)
    expect(Buffer.compare(whole.subarray(0, content.length), content)).toBe(0)
    expect([...whole.subarray(content.length)]).toEqual(new Array(10).fill(0))
    const piece = new Uint8Array(7)
    await store.read(65533, piece)
    expect(piece).toEqual(content.slice(65533, 65540))
    await expect(store.write()).rejects.toMatchObject({ code: 'read-only' })
    expect(await store.extent(5)).toEqual({ length: content.length - 5, hole: false })
    await store.close()
    await expect(store.read(0, piece)).rejects.toMatchObject({ code: 'closed' })
  })

  it('one who reads in order causes few and long requests, the cache is bounded, and what is in it is not asked for again', async () => {
    const store = await HttpStore.open(url, { cacheBytes: 2 * MIB })
    const sector = new Uint8Array(4096)
    for (let at = 0; at < 4 * MIB; at += sector.length) await store.read(at, sector)
    expect(asked.length).toBeLessThan(25)
    const before = asked.length
    await store.read(4 * MIB - 4096, sector)
    expect(asked.length).toBe(before)
    await store.read(0, sector)
    expect(asked).toContain('bytes=0-65535')
    expect(asked.filter(range => range === 'bytes=0-65535')).toHaveLength(2)
    await store.close()
  })

  it('two who want the same bytes at once cause one request', async () => {
    const store = await HttpStore.open(url, { readAheadBytes: 0 })
    await Promise.all(Array.from({ length: 20 }, () => store.read(3 * MIB, new Uint8Array(4096))))
    expect(asked).toHaveLength(2)
    await store.close()
  })

  it('a file that changes is an error, whatever the server tells of it', async () => {
    const read = async (): Promise<unknown> => {
      const store = await HttpStore.open(url)
      quirk = changed
      return store.read(MIB, new Uint8Array(512)).catch((error: unknown) => error)
    }
    const original = content
    let changed: typeof quirk = (_request, response, from, to) => {
      response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${content.length}`, 'etag': '"two"' }).end(content.subarray(from, to))
      return true
    }
    expect(await read()).toMatchObject({ code: 'changed' })
    quirk = undefined
    changed = () => {
      content = pattern(MIB, 1)
      return false
    }
    expect(await read()).toMatchObject({ code: 'changed' })
    quirk = undefined
    content = original
    changed = () => {
      content = original.subarray(0, 7 * MIB - 5)
      content = pattern(7 * MIB, 2)
      return false
    }
    expect(await read()).toMatchObject({ code: 'changed' })
  })

  it('a server without ranges, a missing file and nobody at all are told apart', async () => {
    quirk = (_request, response) => {
      response.writeHead(200).end(content)
      return true
    }
    await expect(HttpStore.open(url)).rejects.toMatchObject({ code: 'no-ranges' })
    quirk = (_request, response) => {
      response.writeHead(404).end()
      return true
    }
    await expect(HttpStore.open(url)).rejects.toMatchObject({ code: 'file-error', message: `${url}: no such file` })
    await expect(HttpStore.open('http://127.0.0.1:1/x')).rejects.toMatchObject({ code: 'io-error' })
  })

  it('a server that fails now and then is asked again, one that always does is an error', async () => {
    const store = await HttpStore.open(url)
    let failures = 2
    quirk = (_request, response, from, to) => {
      if (failures-- <= 0) return false
      if (failures === 1) response.writeHead(503).end()
      else {
        response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${content.length}`, 'etag': '"one"', 'content-length': to - from })
        response.write(content.subarray(from, from + 10), () => response.destroy())
      }
      return true
    }
    const piece = new Uint8Array(512)
    await store.read(0, piece)
    expect(piece).toEqual(content.slice(0, 512))
    failures = Infinity
    await expect(store.read(2 * MIB, piece)).rejects.toMatchObject({ code: 'io-error' })
    failures = 0
    await store.read(2 * MIB, piece)
    expect(piece).toEqual(content.slice(2 * MIB, 2 * MIB + 512))
  })

  it('a server that falls silent is asked again, one that is slow is waited for', async () => {
    const store = await HttpStore.open(url, { timeoutMilliseconds: 100, readAheadBytes: 0 })
    let silent = true
    quirk = (_request, response, from, to) => {
      if (silent) {
        silent = false
        return true
      }
      response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${content.length}`, 'etag': '"one"' })
      const send = (at: number): void => {
        if (at >= to) return void response.end()
        response.write(content.subarray(at, Math.min(to, at + 4096)), () => void setTimeout(send, 20, at + 4096))
      }
      send(from)
      return true
    }
    const bytes = new Uint8Array(65536)
    await store.read(0, bytes)
    expect(Buffer.compare(bytes, content.subarray(0, 65536))).toBe(0)
    await store.close()
  })

  it('a server that sends more than was asked for fills no memory', async () => {
    const store = await HttpStore.open(url)
    quirk = (_request, response, from, to) => {
      response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${content.length}`, 'etag': '"one"' }).end(content)
      return true
    }
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'io-error' })
  })

  describeSuite(byteStoreSuite, async () => ({ store: await HttpStore.open(url) }), { describe, it })

  it('an empty file has no bytes', async () => {
    content = new Uint8Array(0)
    const store = await HttpStore.open(url)
    expect(store.size).toBe(0)
    const bytes = new Uint8Array(4).fill(1)
    await store.read(0, bytes)
    expect([...bytes]).toEqual([0, 0, 0, 0])
  })
})

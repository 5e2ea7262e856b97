import { expect, test } from 'vitest'
import { MemoryFileTree, VirtioNineP } from '../../src/9p/index.ts'
import * as spec from '../../src/9p/spec.ts'
import { FakeChain, FakeHost, FakeQueue } from '../support/fake-queue.ts'
import { Client, refused } from './client.ts'

function plug(): { device: VirtioNineP; queue: FakeQueue; client: Client } {
  const device = new VirtioNineP({ tree: new MemoryFileTree(), tag: 'shared' })
  const queue = new FakeQueue(0)
  device.attach(new FakeHost())
  device.reset()
  device.activate(device.features, [queue])
  const handle = async (request: Uint8Array): Promise<Uint8Array> => {
    const chain = new FakeChain(request, 65_536)
    queue.available.push(chain)
    device.notified()
    while (chain.written === undefined) await Promise.resolve()
    return chain.answer
  }
  return { device, queue, client: new Client({ handle }) }
}

test('carries requests and answers, and tells its tag', async () => {
  const { device, client } = plug()
  expect([...device.config]).toEqual([6, 0, ...new TextEncoder().encode('shared')])
  await client.start()
  await client.mkdir(0, 'd')
  expect(await client.walk(0, 1, 'd')).toBe(1)
})

test('a session ends with a reset, and late answers go nowhere', async () => {
  const { device, queue, client } = plug()
  await client.start()
  const late = new FakeChain(new Uint8Array(7), 100)
  queue.available.push(late)
  device.notified()
  queue.kill()
  device.reset()
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(late.written).toBeUndefined()
  device.activate(device.features, [queue])
  expect(await refused(client.getattr(0))).toBe(71)
  await client.version()
  expect(await refused(client.getattr(0))).toBe(9)
})

test('buffers too small for the answer, empty ones, endless ones', async () => {
  const { device, queue, client } = plug()
  await client.start()
  const getattr = (room: number): FakeChain => new FakeChain(Uint8Array.of(19, 0, 0, 0, spec.TGETATTR, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), room)
  const chains = [getattr(0), getattr(10), getattr(11), getattr(1000), new FakeChain(), new FakeChain(new Uint8Array(2 ** 21), 2 ** 21)]
  queue.available.push(...chains)
  device.notified()
  while (queue.used.length < chains.length) await new Promise((resolve) => setTimeout(resolve, 0))
  expect(chains.map((chain) => chain.written)).toEqual([0, 0, 11, 160, 0, 11])
  expect(chains[2]!.answer[4]).toBe(spec.RLERROR)
})

test('the tag has a length', () => {
  expect(() => new VirtioNineP({ tree: new MemoryFileTree(), tag: '' })).toThrow('tag')
  expect(() => new VirtioNineP({ tree: new MemoryFileTree(), tag: 'x'.repeat(256) })).toThrow('tag')
})

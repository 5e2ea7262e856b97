import type { ByteStore } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { equalBytes as equal, filled, mustReject } from './support.ts'

export interface ByteStoreSubject {
  /** Empty, unless it is read-only; then at least 64 KiB. */
  store: ByteStore
}

async function readBack(store: ByteStore, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee)
  await store.read(offset, into)
  return into
}

const laws: Law<ByteStoreSubject>[] = [
  {
    name: 'bytes written anywhere are read back, gaps read as zeroes, and the store grows as far as was written',
    async check({ store }, violated) {
      if (store.readOnly) return
      const expected = new Uint8Array(200_000)
      let size = 0
      for (const [offset, length] of [[3, 1], [100, 513], [70_001, 65_537], [65_535, 2], [0, 7], [190_000, 9999]] as const) {
        const part = filled(length, offset + 1)
        await store.write(offset, part)
        expected.set(part, offset)
        size = Math.max(size, offset + length)
        if (store.size !== size) violated(`size ${store.size} after a write up to ${size}`)
      }
      if (!equal(await readBack(store, 0, size), expected.subarray(0, size))) violated('the bytes are not what was written')
      if (!equal(await readBack(store, 65_530, 4481), expected.subarray(65_530, 70_011))) violated('a partial read differs')
    },
  },
  {
    name: 'behind the end everything reads as zeroes, and reading does not change the size',
    async check({ store }, violated) {
      if (!store.readOnly) await store.write(0, filled(1000, 2))
      const { size } = store
      const bytes = await readBack(store, size - 10, 5000)
      if (bytes.subarray(10).some((byte) => byte !== 0)) violated('not zero behind the end')
      if ((await readBack(store, size + 1_000_000, 100)).some((byte) => byte !== 0)) violated('not zero far behind the end')
      if (store.size !== size) violated('reading changed the size')
    },
  },
  {
    name: 'truncate cuts off for good, and grows with zeroes',
    async check({ store }, violated) {
      if (store.readOnly) return
      const data = filled(100_000, 3)
      await store.write(0, data)
      await store.truncate(777)
      if (store.size !== 777) violated(`size ${store.size} after truncate to 777`)
      await store.truncate(150_000)
      if (store.size !== 150_000) violated(`size ${store.size} after truncate to 150000`)
      data.fill(0, 777)
      if (!equal(await readBack(store, 0, 100_000), data)) violated('wrong bytes after shrinking and growing')
    },
  },
  {
    name: 'a punched hole reads as zeroes, the bytes around it and the size stay',
    async check({ store }, violated) {
      if (store.readOnly) return
      const data = filled(300_000, 4)
      await store.write(0, data)
      for (const [offset, length] of [[10, 5], [65_536, 131_072], [131_000, 100_001], [299_999, 1], [299_990, 1_000_000]] as const) {
        await store.punchHole(offset, length)
        data.fill(0, offset, Math.min(300_000, offset + length))
      }
      if (store.size !== 300_000) violated(`size ${store.size}, was 300000`)
      if (!equal(await readBack(store, 0, 300_000), data)) violated('wrong bytes after punching holes')
    },
  },
  {
    name: 'extents lead from any offset to the end, and holes read as zeroes',
    async check({ store }, violated) {
      if (!store.readOnly) {
        await store.write(1_000_000, filled(70_000, 5))
        await store.write(200_000, filled(10, 6))
        await store.truncate(2_000_001)
      }
      for (const start of [0, 1, 200_005, 1_000_001]) {
        for (let at = Math.min(start, store.size), steps = 0; at < store.size; steps++) {
          const { length, hole } = await store.extent(at)
          if (!Number.isSafeInteger(length) || length <= 0 || at + length > store.size || steps > 100_000) return violated(`extent of ${length} bytes at ${at}`)
          if (hole && (await readBack(store, at, length)).some((byte) => byte !== 0)) violated(`data in the hole at ${at}`)
          at += length
        }
      }
      for (const offset of [store.size, store.size + 5]) {
        if ((await store.extent(offset)).length !== 0) violated(`an extent at ${offset}, behind the end`)
      }
    },
  },
  {
    name: 'bad offsets, lengths and sizes are refused with a coded error',
    async check({ store }, violated) {
      for (const offset of [-1, 0.5, Number.NaN, Infinity, 2 ** 60]) {
        await mustReject(() => store.read(offset, new Uint8Array(1)), `a read at ${offset}`, violated)
        await mustReject(() => store.write(offset, new Uint8Array(1)), `a write at ${offset}`, violated)
        await mustReject(() => store.truncate(offset), `truncate to ${offset}`, violated)
        await mustReject(() => store.punchHole(offset, 1), `a hole at ${offset}`, violated)
        await mustReject(() => store.punchHole(0, offset), `a hole of ${offset} bytes`, violated)
        await mustReject(() => store.extent(offset), `the extent at ${offset}`, violated)
      }
    },
  },
  {
    name: 'a read-only store refuses to change with a coded error',
    async check({ store }, violated) {
      if (!store.readOnly) return
      const { size } = store
      const before = await readBack(store, 0, 512)
      await mustReject(() => store.write(0, new Uint8Array(512).fill(~before[0]!)), 'a write', violated)
      await mustReject(() => store.truncate(0), 'truncate', violated)
      await mustReject(() => store.punchHole(0, 512), 'a hole', violated)
      await store.flush()
      if (store.size !== size || !equal(await readBack(store, 0, 512), before)) violated('the store changed')
    },
  },
  {
    name: 'accesses at the same time do not disturb each other',
    async check({ store }, violated) {
      if (store.readOnly) return
      const parts = Array.from({ length: 32 }, (_, index) => filled(3001, index + 10))
      await Promise.all(parts.map(async (part, index) => {
        await store.write((31 - index) * 3001, part)
        if (index % 8 === 0) await store.flush()
      }))
      if (store.size !== 32 * 3001) violated(`size ${store.size}`)
      const read = await Promise.all(parts.map((_, index) => readBack(store, (31 - index) * 3001, 3001)))
      read.forEach((bytes, index) => {
        if (!equal(bytes, parts[index]!)) violated(`write ${index} of 32 was disturbed`)
      })
    },
  },
  {
    name: 'the caller’s buffer is its own again once the promise resolves',
    async check({ store }, violated) {
      if (store.readOnly) return
      const data = filled(100_000, 7)
      const buffer = data.slice()
      await store.write(0, buffer)
      buffer.fill(0)
      const first = await readBack(store, 0, 100_000)
      await store.write(0, new Uint8Array(100_000))
      if (!equal(first, data)) violated('a buffer stayed connected to the store')
    },
  },
  {
    name: 'after close every access is refused with a coded error',
    async check({ store }, violated) {
      await store.close()
      await mustReject(() => store.read(0, new Uint8Array(1)), 'a read', violated)
      await mustReject(() => store.write(0, new Uint8Array(1)), 'a write', violated)
      await mustReject(() => store.flush(), 'a flush', violated)
      await mustReject(() => store.truncate(0), 'truncate', violated)
      await mustReject(() => store.extent(0), 'extent', violated)
    },
  },
]

/** Laws of ByteStore. */
export const byteStoreSuite: Suite<ByteStoreSubject> = { name: 'ByteStore', laws }

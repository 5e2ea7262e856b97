import type { BlockBackend } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { equalBytes as equal, filled, mustReject } from './support.ts'

export interface BlockBackendSubject {
  /** At least 64 KiB. */
  backend: BlockBackend
}

async function readBack(backend: BlockBackend, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee)
  await backend.read(offset, into)
  return into
}

const laws: Law<BlockBackendSubject>[] = [
  {
    name: 'the size is a multiple of 512',
    check({ backend }, violated) {
      if (!Number.isSafeInteger(backend.size) || backend.size < 65536 || backend.size % 512 !== 0) violated(`size ${backend.size}`)
    },
  },
  {
    name: 'what is written is read back, and nothing else changes',
    async check({ backend }, violated) {
      if (backend.readOnly) return
      const whole = filled(65536, 1)
      await backend.write(0, whole)
      for (const [offset, length] of [[512, 512], [4096, 12288], [65024, 512], [1024, 3584]] as const) {
        const part = filled(length, offset)
        await backend.write(offset, part)
        whole.set(part, offset)
      }
      if (!equal(await readBack(backend, 0, 65536), whole)) violated('the first 64 KiB are not what was written')
      if (!equal(await readBack(backend, 8704, 1536), whole.subarray(8704, 10240))) violated('a partial read differs')
    },
  },
  {
    name: 'the last sector is there, and nothing behind it',
    async check({ backend }, violated) {
      const last = backend.size - 512
      if (!backend.readOnly) {
        const data = filled(512, 3)
        await backend.write(last, data)
        if (!equal(await readBack(backend, last, 512), data)) violated('the last sector lost its data')
        await mustReject(() => backend.write(last, new Uint8Array(1024)), 'a write over the end', violated)
        await mustReject(() => backend.discard(backend.size, 512), 'a discard behind the end', violated)
        if (!equal(await readBack(backend, last, 512), data)) violated('a refused write changed data')
      }
      await mustReject(() => backend.read(last, new Uint8Array(1024)), 'a read over the end', violated)
    },
  },
  {
    name: 'bad offsets and lengths are refused with a coded error',
    async check({ backend }, violated) {
      for (const offset of [-512, 1, 511, 0.5, Number.NaN, 2 ** 60]) {
        await mustReject(() => backend.read(offset, new Uint8Array(512)), `a read at ${offset}`, violated)
        await mustReject(() => backend.write(offset, new Uint8Array(512)), `a write at ${offset}`, violated)
        await mustReject(() => backend.writeZeroes(offset, 512, true), `writeZeroes at ${offset}`, violated)
        await mustReject(() => backend.discard(offset, 512), `a discard at ${offset}`, violated)
        await mustReject(() => backend.status(offset, 512), `status at ${offset}`, violated)
      }
      await mustReject(() => backend.read(0, new Uint8Array(100)), 'a read of 100 bytes', violated)
    },
  },
  {
    name: 'a read-only backend refuses writes and discards with a coded error',
    async check({ backend }, violated) {
      if (!backend.readOnly) return
      const before = await readBack(backend, 0, 512)
      await mustReject(() => backend.write(0, new Uint8Array(512).fill(~before[0]!)), 'a write', violated)
      await mustReject(() => backend.writeZeroes(0, 512, false), 'writeZeroes', violated)
      await mustReject(() => backend.discard(0, 512), 'a discard', violated)
      if (!equal(await readBack(backend, 0, 512), before)) violated('the data changed')
    },
  },
  {
    name: 'concurrent accesses to different sectors do not disturb each other',
    async check({ backend }, violated) {
      if (backend.readOnly) return
      const parts = Array.from({ length: 16 }, (_, index) => filled(2048, index + 1))
      await Promise.all(parts.map((part, index) => backend.write(index * 2048, part)))
      const read = await Promise.all(parts.map((_, index) => readBack(backend, index * 2048, 2048)))
      read.forEach((bytes, index) => {
        if (!equal(bytes, parts[index]!)) violated(`write ${index} of 16 was disturbed`)
      })
    },
  },
  {
    name: 'the caller’s buffer is its own again once the promise resolves',
    async check({ backend }, violated) {
      if (backend.readOnly) return
      const data = filled(1024, 9)
      const buffer = data.slice()
      await backend.write(0, buffer)
      buffer.fill(0)
      if (!equal(await readBack(backend, 0, 1024), data)) violated('reusing the written buffer changed the disk')
      const first = await readBack(backend, 0, 1024)
      await backend.write(0, new Uint8Array(1024))
      if (!equal(first, data)) violated('a later write changed a buffer read before')
    },
  },
  {
    name: 'flush and discard leave data outside alone',
    async check({ backend }, violated) {
      await backend.flush()
      if (backend.readOnly) return
      const data = filled(8192, 4)
      await backend.write(0, data)
      await backend.discard(4096, 512)
      await backend.flush()
      if (!equal(await readBack(backend, 0, 4096), data.subarray(0, 4096))) violated('the sectors before changed')
      if (!equal(await readBack(backend, 4608, 3584), data.subarray(4608))) violated('the sectors behind changed')
    },
  },
  {
    name: 'single sectors written at once, with flushes among them, all arrive',
    async check({ backend }, violated) {
      if (backend.readOnly) return
      const sectors = Array.from({ length: 64 }, (_, index) => filled(512, index + 100))
      await Promise.all(sectors.map((sector, index) => {
        const write = backend.write((index * 37 % 64) * 512, sector)
        return index % 8 === 0 ? Promise.all([write, backend.flush()]) : write
      }))
      const whole = await readBack(backend, 0, 64 * 512)
      sectors.forEach((sector, index) => {
        const at = (index * 37 % 64) * 512
        if (!equal(whole.subarray(at, at + 512), sector)) violated(`the sector at ${at} is not what was written`)
      })
    },
  },
  {
    name: 'writeZeroes leaves zeroes, and nothing else changes',
    async check({ backend }, violated) {
      if (backend.readOnly) return
      for (const unmap of [false, true]) {
        const data = filled(65536, 5)
        await backend.write(0, data)
        for (const [offset, length] of [[1536, 512], [3584, 9728], [61440, 4096]] as const) {
          await backend.writeZeroes(offset, length, unmap)
          data.fill(0, offset, offset + length)
        }
        if (!equal(await readBack(backend, 0, 65536), data)) violated(`wrong bytes after writeZeroes ${unmap ? 'with' : 'without'} unmap`)
      }
    },
  },
  {
    name: 'what is discarded reads as zeroes or as before, and can be written again',
    async check({ backend }, violated) {
      if (backend.readOnly) return
      const data = filled(65536, 6)
      await backend.write(0, data)
      await backend.discard(0, 65536)
      const left = await readBack(backend, 0, 65536)
      left.forEach((byte, at) => {
        if (byte !== 0 && byte !== data[at]) violated(`byte ${at} is new`)
      })
      await backend.write(8192, data.subarray(0, 1024))
      left.set(data.subarray(0, 1024), 8192)
      if (!equal(await readBack(backend, 0, 65536), left)) violated('a write after the discard did not arrive, or disturbed others')
    },
  },
  {
    name: 'status tells whole sectors, never more than was asked for, and never zero where data is',
    async check({ backend }, violated) {
      if (!backend.readOnly) {
        await backend.writeZeroes(0, 65536, true)
        await backend.write(4608, new Uint8Array(1024).fill(7))
        await backend.write(32768, new Uint8Array(512).fill(8))
      }
      for (const [start, end] of [[0, 65536], [4608, 5120], [512, 33280]] as const) {
        for (let at = start; at < end;) {
          const { length, zero } = await backend.status(at, end - at)
          if (!(length > 0) || length % 512 !== 0 || length > end - at) return violated(`status of ${end - at} bytes at ${at} has length ${length}`)
          const bytes = await readBack(backend, at, length)
          if (zero && bytes.some((byte) => byte !== 0)) violated(`${length} bytes at ${at} are said to be zero`)
          at += length
        }
      }
    },
  },
  {
    name: 'after close every access is refused with a coded error',
    async check({ backend }, violated) {
      await backend.close()
      await mustReject(() => backend.read(0, new Uint8Array(512)), 'a read', violated)
      await mustReject(() => backend.write(0, new Uint8Array(512)), 'a write', violated)
      await mustReject(() => backend.writeZeroes(0, 512, true), 'writeZeroes', violated)
      await mustReject(() => backend.flush(), 'a flush', violated)
      await mustReject(() => backend.status(0, 512), 'status', violated)
    },
  },
]

/** Laws of BlockBackend. */
export const blockBackendSuite: Suite<BlockBackendSubject> = { name: 'BlockBackend', laws }

import { describe, expect, it } from 'vitest'
import { formatNamed } from '../../src/index.ts'
import type { ImageBackend } from '../../src/index.ts'
import { nodeCodecs } from '../../src/node/index.ts'
import { LoggedStore, SectorModel, stampOf, stamped } from '../support/power-cut.ts'
import { seeded } from '../support/random.ts'

const KIB = 1024
const qcow2 = formatNamed('qcow2')

/** What may be found after a power cut at `time`. */
interface Moment {
  readonly time: number
  readonly allowed: (sector: number) => ReadonlySet<number>
  /** Snapshots that are there, by name, and the stamps in them. */
  readonly snapshots: ReadonlyMap<string, (sector: number) => number>
}

interface Case {
  readonly size: number
  readonly options: Record<string, string>
  /** Snapshots are made and deleted, and the disk grows and shrinks behind the part that is looked at. */
  readonly extras?: boolean
}

/** A guest at work on an image, several requests under way; every moment of it. */
async function run(seed: number, { size, options, extras }: Case, operations: number): Promise<{ store: LoggedStore; moments: Moment[] }> {
  const random = seeded(seed)
  const store = new LoggedStore(seed)
  await qcow2.create!(store, { size, options })
  await store.flush()
  const image = await qcow2.open(store, { codecs: nodeCodecs })
  await image.flush()
  const model = new SectorModel()
  const moments: Moment[] = []
  const snapshots = new Map<string, (sector: number) => number>()
  const busy = new Set<Promise<void>>()
  // Sectors under way: of overlapping writes nobody knows which comes last.
  const taken = new Set<number>()
  const note = (): void => {
    moments.push({ time: store.time, allowed: model.allowed(), snapshots: new Map(snapshots) })
  }
  for (let at = 0; at < operations; at++) {
    const length = 512 * (1 + random(random(3) === 0 ? size / 4096 : 6))
    const offset = 512 * random((size - length) / 512)
    const sectors = Array.from({ length: length / 512 }, (_, index) => offset / 512 + index)
    const kind = random(20)
    if (kind < 15) {
      if (sectors.some((sector) => taken.has(sector))) continue
      const stamp = kind < 12 ? model.nextStamp() : 0
      sectors.forEach((sector) => taken.add(sector))
      const end = model.begin(offset, length, stamp)
      const done: Promise<void> = (stamp === 0 ? image.writeZeroes(offset, length, random(2) === 0) : image.write(offset, stamped(offset, length, stamp))).then(() => {
        end()
        sectors.forEach((sector) => taken.delete(sector))
        busy.delete(done)
      })
      busy.add(done)
      if (busy.size > 4) await Promise.race(busy)
    } else if (kind < 18 || extras !== true) {
      const end = model.flush()
      await image.flush()
      end()
    } else {
      await Promise.all(busy)
      const end = model.flush()
      const [name] = snapshots.keys()
      if (random(3) === 0) await image.resize!(size + 512 * random(2000))
      else if (name !== undefined && (snapshots.size > 2 || random(2) === 0)) {
        snapshots.delete(name)
        note()
        await image.snapshots!.delete(name)
      } else {
        await image.snapshots!.create(`at ${at}`, { seconds: 1, nanoseconds: 2 })
        snapshots.set(`at ${at}`, model.settled())
      }
      end()
    }
    note()
  }
  await Promise.all(busy)
  const end = model.flush()
  await image.close()
  end()
  note()
  return { store, moments }
}

async function verify(moments: readonly Moment[], store: LoggedStore, seed: number, size: number): Promise<void> {
  const random = seeded(seed)
  const step = Math.ceil(size / 2 ** 20)
  const times = store.headerTimes.filter((time) => time > moments[0]!.time)
  for (let index = random(step); index < moments.length - 1; index += step) {
    times.push(moments[index]!.time + random(Math.max(1, moments[index + 1]!.time - moments[index]!.time)))
  }
  for (const [count, time] of times.entries()) {
    const index = moments.findLastIndex((moment) => moment.time <= time)
    const moment = moments[index]!
    // Up to the next state noted: what may be there is what either of them allows.
    const next = moments[index + 1] ?? moment
    const left = await store.after(time, seed * 1000 + count, [0, 50, 90, 100][random(4)]!)
    const image = await qcow2.open(left, { codecs: nodeCodecs })
    const where = `seed ${seed}, moment ${index}, time ${time}`
    await expectStamps(image, size, where, (stamp, sector) => moment.allowed(sector).has(stamp) || next.allowed(sector).has(stamp))
    const { corruptions, messages } = await image.check!()
    expect(corruptions, `${where}: ${messages.join('; ')}`).toBe(0)
    for (const [name, content] of moment.snapshots) {
      if (!next.snapshots.has(name)) continue
      await image.snapshots!.apply(name)
      await expectStamps(image, size, `${where}, snapshot ${name}`, (stamp, sector) => stamp === content(sector))
    }
    await image.close()
  }
  const image = await qcow2.open(await store.after(Infinity, 1, 100), { codecs: nodeCodecs })
  expect(await image.check!(), 'closed in order').toMatchObject({ corruptions: 0, leaks: 0 })
}

async function expectStamps(image: ImageBackend, size: number, where: string, fits: (stamp: number, sector: number) => boolean): Promise<void> {
  const bytes = new Uint8Array(size)
  await image.read(0, bytes)
  for (let sector = 0; sector < size / 512; sector++) {
    const stamp = stampOf(bytes.subarray(sector * 512, sector * 512 + 512), sector)
    if (!fits(stamp, sector)) expect.fail(`${where}: sector ${sector} holds write ${stamp}`)
  }
}

describe('a power cut at any moment leaves an image that opens, with everything flushed in it, and at worst leaks', () => {
  const size = 256 * KIB
  const cases: [string, Case][] = [
    ['the smallest clusters', { size, options: { cluster_size: '512' } }],
    ['the usual clusters', { size, options: {} }],
    ['version 2', { size, options: { compat: '0.10', cluster_size: '1k' } }],
    ['wide refcounts: the refcount table grows', { size: 3072 * KIB, options: { cluster_size: '512', refcount_bits: '64' } }],
    ['lazy refcounts', { size, options: { cluster_size: '1k', lazy_refcounts: 'on' } }],
    ['extended L2 entries', { size, options: { cluster_size: '16k', extended_l2: 'on' } }],
    ['snapshots and sizes that change', { size, options: { cluster_size: '1k' }, extras: true }],
    ['the same with lazy refcounts', { size, options: { cluster_size: '512', lazy_refcounts: 'on' }, extras: true }],
  ]
  it.each(cases)('%s', { timeout: 60_000 }, async (_what, how) => {
    for (const seed of [1, 2]) {
      const { store, moments } = await run(seed, how, 100)
      await verify(moments, store, seed, how.size)
    }
  })
})

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { describe, expect, it } from 'vitest'
import type { ImageBackend, ImageFormat } from '../../src/index.ts'
import type { MemoryStore } from '../../src/index.ts'
import { nodeCodecs, nodeFiles } from '../../src/node/index.ts'
import { disagreement, Model, perform, randomSteps, SECTOR, seeded, touched, type Step } from './history.ts'
import { qemuImg, withPeer } from './peer.ts'
import { apply, cloneFiles, Recording, type Op } from './recording.ts'

/** One way of making images of a format. */
export interface FormatCase {
  readonly title: string
  readonly format: ImageFormat
  /** Name of the image file. */
  readonly file: string
  readonly options: Readonly<Record<string, string>>
  /** Bytes of the disk. */
  readonly size: number
  /** Whether qemu-img check knows the format. */
  readonly peerChecks: boolean
  /** Longest access of the histories, bytes. */
  readonly largest: number
  /** Options of the image it is a difference to, every sector of which is of write BASE. */
  readonly base?: Readonly<Record<string, string>>
}

const BASE = 1_000_000

const random = seeded(99)
const identifiers = (into: Uint8Array): void => { for (let at = 0; at < into.length; at++) into[at] = random(256) }
const now = 1_700_000_000

interface Files {
  open(name: string, readOnly?: boolean): ByteStore | Promise<ByteStore>
  create(name: string): ByteStore | Promise<ByteStore>
}

const baseOf = (file: string): string => `base-${file}`

export async function createImage({ format, file, options, size, base }: FormatCase, files: Files): Promise<void> {
  const make = async (name: string, given: Readonly<Record<string, string>>, backing?: string): Promise<void> => {
    const store = await files.create(name)
    await format.create!(store, {
      size, options: given, fileName: name, random: identifiers, now, createFile: async (other) => files.create(other),
      openFile: async (other) => files.open(other, true), ...(backing !== undefined && { backing: { name: backing } }),
    })
    await store.close()
  }
  if (base) {
    await make(baseOf(file), base)
    const below = await format.open(await files.open(baseOf(file)), {})
    await perform(below, { kind: 'write', first: 0, count: size / SECTOR }, BASE)
    await below.close()
  }
  await make(file, options, base && baseOf(file))
}

export async function openImage({ format, file }: Pick<FormatCase, 'format' | 'file'>, files: Files, readOnly = false): Promise<ImageBackend> {
  return format.open(await files.open(file, readOnly), {
    codecs: nodeCodecs, openFile: async (name) => files.open(name, readOnly), openBacking: async (name) => format.open(await files.open(name, true), {}),
  })
}

const hostFiles = (folder: string): Files => ({
  open: (name, readOnly = false) => nodeFiles.open(join(folder, name), { readOnly }),
  create: (name) => nodeFiles.open(join(folder, name), { readOnly: false, create: true }),
})

async function newImage(given: FormatCase): Promise<ImageBackend> {
  const files = new Recording()
  await createImage(given, files)
  return openImage(given, files)
}

const peerOptions = ({ options }: FormatCase): string[] => Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
const stepsOf = (given: FormatCase, seed: number, steps: number, largest = given.largest): Step[] =>
  randomSteps({ seed, steps, sectors: given.size / SECTOR, largest: largest / SECTOR })

export async function contentOf(backend: BlockBackend): Promise<Uint8Array> {
  const bytes = new Uint8Array(backend.size)
  await backend.read(0, bytes)
  return bytes
}

/** Laws of every image format that is read and written. */
export function describeFormat(given: FormatCase): void {
  describe(given.title, () => {
    describeSuite(blockBackendSuite, async () => ({ backend: await newImage(given) }), { describe, it })

    it('has the size asked for, and reads as zeroes', async () => {
      const image = await newImage(given)
      expect(image.size).toBe(given.size)
      expect(await disagreement(image, new Model(given.size / SECTOR).now)).toBe(undefined)
    })

    it('is found by its content', async () => {
      const files = new Recording()
      await createImage(given, files)
      const store = files.open(given.file)
      const start = new Uint8Array(Math.min(store.size, 65536))
      const end = new Uint8Array(Math.min(store.size, 512))
      await store.read(0, start)
      await store.read(store.size - end.length, end)
      expect(given.format.probe(start, end, given.file)).toBeGreaterThan(80)
    })

    it('keeps random histories, closed and opened again', async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const files = new Recording()
        await createImage(given, files)
        const model = new Model(given.size / SECTOR)
        let image = await openImage(given, files)
        let number = 0
        for (const step of stepsOf(given, seed, 60)) {
          model.begin(step, ++number)
          await perform(image, step, number)
          model.end(step, number)
          if (number % 20 !== 0) continue
          expect(await disagreement(image, model.now), `seed ${seed}, step ${number}`).toBe(undefined)
          await image.close()
          image = await openImage(given, files)
          expect(await disagreement(image, model.now), `seed ${seed}, step ${number}, opened again`).toBe(undefined)
          if (image.check) expect(await image.check()).toMatchObject({ corruptions: 0, checkErrors: 0 })
        }
      }
    })

    it('keeps writes that overlap in time', async () => {
      const image = await newImage(given)
      const model = new Model(given.size / SECTOR)
      const sectors = given.size / SECTOR
      const pick = seeded(5)
      for (let round = 0; round < 5; round++) {
        const start = pick(sectors - 128)
        const steps = Array.from({ length: 32 }, (_, at): Step => ({ kind: at % 7 === 3 ? 'zero' : 'write', first: start + at * 4, count: 4 }))
        await Promise.all(steps.map((step, at) => {
          const number = round * 32 + at + 1
          model.end(step, number)
          return perform(image, step, number)
        }).concat(image.flush()))
      }
      expect(await disagreement(image, model.now)).toBe(undefined)
    })

    it('status says zero only of zeroes', async () => {
      const image = await newImage(given)
      let number = 0
      for (const step of stepsOf(given, 11, 40)) await perform(image, step, ++number)
      const content = await contentOf(image)
      for (let at = 0; at < image.size;) {
        const { length, zero } = await image.status(at, image.size - at)
        expect(length).toBeGreaterThan(0)
        expect(length % SECTOR).toBe(0)
        if (zero) expect(content.subarray(at, at + length).every((byte) => byte === 0), `${at}`).toBe(true)
        at += length
      }
    })

    describePowerCuts(given)

    it('what it writes, qemu-img reads', async (context) => {
      await withPeer(context, async (folder) => {
        const files = hostFiles(folder)
        const image = join(folder, given.file)
        await createImage(given, files)
        const disk = await openImage(given, files)
        let number = 0
        for (const step of stepsOf(given, 41, 60)) await perform(disk, step, ++number)
        await writeFile(join(folder, 'raw'), await contentOf(disk))
        await disk.close()
        const info = JSON.parse(await qemuImg('info', '-f', given.format.name, '--output=json', image)) as Record<string, unknown>
        expect(info).toMatchObject({ 'format': given.format.name, 'virtual-size': given.size })
        expect((await disk.info()).clusterSize).toBe(info['cluster-size'])
        if (given.peerChecks) await qemuImg('check', '-f', given.format.name, image)
        await qemuImg('compare', '-f', given.format.name, '-F', 'raw', image, join(folder, 'raw'))
      })
    })

    it('what qemu-img writes, it reads, and writes further', async (context) => {
      await withPeer(context, async (folder) => {
        const files = hostFiles(folder)
        const image = join(folder, given.file)
        const raw = join(folder, 'raw')
        const content = await pattern(given.size)
        await writeFile(raw, content)
        await qemuImg('convert', '-f', 'raw', '-O', given.format.name, ...peerOptions(given), raw, image)
        const disk = await openImage(given, files)
        expect(disk.size).toBe(given.size)
        expect(Buffer.compare(await contentOf(disk), content)).toBe(0)
        let number = 0
        for (const step of stepsOf(given, 51, 60)) await perform(disk, step, ++number)
        await writeFile(raw, await contentOf(disk))
        await disk.close()
        if (given.peerChecks) await qemuImg('check', '-f', given.format.name, image)
        await qemuImg('compare', '-f', given.format.name, '-F', 'raw', image, raw)
        await qemuImg('convert', '-f', given.format.name, '-O', 'raw', image, `${raw}2`)
        expect(Buffer.compare(await readFile(raw), await readFile(`${raw}2`))).toBe(0)
      })
    })
  })
}

/** A disk's content: some places written, some not. */
async function pattern(size: number): Promise<Uint8Array> {
  const disk = new Uint8Array(size)
  const pick = seeded(7)
  for (let at = 0; at < 20; at++) {
    const first = pick(size / SECTOR) * SECTOR
    const length = Math.min(size - first, (1 + pick(300)) * SECTOR)
    disk.fill(1 + pick(255), first, first + length)
  }
  return disk
}

/** Laws of the power for a way of making images. */
export function describePowerCuts(given: FormatCase): void {
  it('a cut of the power at any write leaves an image with every flushed byte', async () => {
    await powerCuts(given, 21, 40, 0)
  })

  it('so does one that loses any of the writes since the last flush, or sectors of them', async () => {
    for (let seed = 31; seed < 34; seed++) await powerCuts(given, seed, 30, 2)
  })
}

/** Cuts the power after every change of the files; `tries` > 0: that often, and losing some of the changes since the last flush of the file. */
async function powerCuts(given: FormatCase, seed: number, steps: number, tries: number): Promise<void> {
  const made = new Recording()
  await createImage(given, made)
  const before = await cloneFiles(made.files)
  const recording = new Recording(await cloneFiles(made.files))
  const image = await openImage(given, recording)
  const sectors = given.size / SECTOR
  const model = new Model(sectors, given.base && BASE)
  /** What each sector may be after so many changes of the files. */
  const moments: { readonly ops: number; readonly model: Model }[] = [{ ops: 0, model: model.copy() }]
  let number = 0
  const history = stepsOf(given, seed, steps, 65536)
  const where = touched([...history, { kind: 'write', first: 0, count: 1 }], sectors)
  for (const step of history) {
    model.begin(step, ++number)
    moments.push({ ops: recording.ops.length, model: model.copy() })
    await perform(image, step, number)
    model.end(step, number)
    moments.push({ ops: recording.ops.length, model: model.copy() })
  }
  await image.close()

  const pick = seeded(seed)
  /** The files as they are, and, without the changes that are not flushed, as they may be. */
  const running = before
  const safe = await cloneFiles(before)
  let unsafe: Op[] = []
  for (let cut = 0; cut <= recording.ops.length; cut++) {
    const op = recording.ops[cut - 1]
    if (op) {
      await apply(running, op)
      unsafe.push(op)
    }
    if (op?.kind === 'flush') {
      for (const done of unsafe) if (done.file === op.file) await apply(safe, done)
      unsafe = unsafe.filter(({ file }) => file !== op.file)
    }
    // A step that begins at this number of changes may have begun, one that ends there need not have returned.
    const allowed = (moments.findLast(({ ops }) => ops < cut) ?? moments[0]!).model.possible
    if (tries === 0) await survives(given, await cloneFiles(running), allowed, where, `cut at ${cut} of ${recording.ops.length}`)
    for (let attempt = 0; attempt < tries && unsafe.length > 1; attempt++) {
      const files = await cloneFiles(safe)
      for (const lost of unsafe) for (const part of remains(lost, pick)) await apply(files, part)
      await survives(given, files, allowed, where, `seed ${seed}: cut at ${cut} of ${recording.ops.length}, attempt ${attempt}`)
    }
  }
}

/** What is left of a change that was not flushed: all, nothing, or of a write some sectors. */
function remains(op: Op, pick: (below: number) => number): Op[] {
  const fate = pick(4)
  if (op.kind !== 'write' || fate < 3) return fate < 2 ? [op] : []
  const parts: Op[] = []
  for (let at = 0; at < op.bytes.length;) {
    const end = Math.min(op.bytes.length, at + SECTOR - ((op.offset + at) % SECTOR))
    if (pick(2) === 0) parts.push({ ...op, offset: op.offset + at, bytes: op.bytes.subarray(at, end) })
    at = end
  }
  return parts
}

async function survives(
  given: FormatCase, files: ReadonlyMap<string, MemoryStore>, allowed: Model['possible'], where: ReturnType<typeof touched>, when: string,
): Promise<void> {
  const left = new Recording(files)
  try {
    const image = await openImage(given, left)
    expect(await disagreement(image, allowed, where), when).toBe(undefined)
    // It can be written to again.
    await image.write(0, new Uint8Array(SECTOR).fill(1))
    await image.close()
  } catch (error) {
    throw new Error(when, { cause: error })
  }
}

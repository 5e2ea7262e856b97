import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { MemoryStore } from '../src/index.ts'
import type { ImageBackend, ImageFormat } from '../src/index.ts'
import { nodeCodecs } from '../src/node/index.ts'
import { qcow2 } from '../src/qcow2/qcow2.ts'
import { vdi } from '../src/vdi/vdi.ts'
import { checksum } from '../src/vhd/footer.ts'
import { vpc } from '../src/vhd/vhd.ts'
import { crc32c } from '../src/vhdx/crc32c.ts'
import { vhdx } from '../src/vhdx/vhdx.ts'
import { vmdk } from '../src/vmdk/vmdk.ts'
import { perform, randomSteps, seeded } from '../test/mapped/history.ts'
import { cloneFiles, Recording } from '../test/mapped/recording.ts'

const MIB = 2 ** 20
const SIZE = 4 * MIB
/** One image is read and written to its end in much less; one that is not hangs. Milliseconds. */
const PATIENCE = 20_000
/** Bytes of files no image of so few megabytes may come to need. */
const MAX_ALLOCATED = 256 * MIB

class Failure extends CodedError {
  constructor(what: string, cause?: unknown) {
    super('fuzz-failure', what, { cause })
  }
}

type Random = (below: number) => number

/** A kind of image, and where in its file it is worth spoiling. */
interface Kind {
  readonly format: ImageFormat
  readonly options: Readonly<Record<string, string>>
  /** It is a difference to another image of the first of the kinds with its format. */
  readonly differs?: boolean
  /** Left as a cut of the power leaves it. */
  readonly dirty?: boolean
  /** What only this format can have in it. */
  readonly fill?: (image: ImageBackend) => Promise<void>
  /** [from, to) in the file; negative: from its end. */
  readonly spots: readonly (readonly [number, number])[]
  readonly bigEndian?: boolean
  /** Makes checksums right again. */
  readonly mend?: (file: Uint8Array) => void
}

const VHD_SPOTS = [[0, 512], [512, 1536], [1088, 1300], [1536, 1552], [-512, 0]] as const
const VHDX_SPOTS = [
  [0x10000, 0x10050], [0x20000, 0x20050], [0x30000, 0x30060], [0x40000, 0x40060], [MIB, MIB + 256], [MIB, MIB + 40960], [2 * MIB, 2 * MIB + 40],
  [2 * MIB + 4096 * 8, 2 * MIB + 4096 * 8 + 8], [3 * MIB, 3 * MIB + 260], [3 * MIB + 65536, 3 * MIB + 65700],
] as const
const VMDK_SPOTS = [[0, 80], [512, 1100], [0x2a00, 0x2a08], [0x3400, 0x3408], [0x3600, 0x3700], [0x2c00, 0x2d00]] as const

const qcow2Spots = (cluster: number): Kind['spots'] => [
  [0, 112], [16, 72], [112, 640], [cluster, cluster + 16], [2 * cluster, 2 * cluster + 256], [3 * cluster, 3 * cluster + 64], [4 * cluster, 4 * cluster + 256],
  [5 * cluster, 12 * cluster],
]

/** Compressed clusters and snapshots. */
async function fillQcow2(image: ImageBackend): Promise<void> {
  const { clusterSize } = await image.info()
  for (let at = 0; at < 4; at++) await image.writeCompressed!(at * clusterSize!, new Uint8Array(clusterSize!).fill(at + 1))
  for (const name of ['one', 'two']) {
    await image.snapshots!.create(name, { seconds: 1, nanoseconds: 2 })
    await image.write(clusterSize!, new Uint8Array(4 * clusterSize!).fill(9))
  }
}

const QCOW2 = { format: qcow2, bigEndian: true } as const

const KINDS: Readonly<Record<string, Kind>> = {
  'qcow2': { ...QCOW2, options: { cluster_size: '4k' }, spots: qcow2Spots(4096), fill: fillQcow2 },
  'qcow2-smallest': { ...QCOW2, options: { cluster_size: '512', refcount_bits: '8' }, spots: qcow2Spots(512), fill: fillQcow2 },
  'qcow2-subclusters': { ...QCOW2, options: { extended_l2: 'on', cluster_size: '16k', compression_type: 'zstd' }, spots: qcow2Spots(16384), fill: fillQcow2 },
  'qcow2-difference': { ...QCOW2, options: {}, differs: true, spots: qcow2Spots(65536) },
  'qcow2-lazy': { ...QCOW2, options: { lazy_refcounts: 'on', cluster_size: '4k' }, dirty: true, spots: qcow2Spots(4096), fill: fillQcow2 },
  'vdi': { format: vdi, options: {}, spots: [[0x40, 0x1d0], [0x154, 0x18c], [512, 528]] },
  'vpc': { format: vpc, options: {}, spots: VHD_SPOTS, bigEndian: true, mend: mendVhd },
  'vpc-differencing': { format: vpc, options: {}, differs: true, spots: VHD_SPOTS, bigEndian: true, mend: mendVhd },
  'vpc-fixed': { format: vpc, options: { subformat: 'fixed' }, spots: [[-512, 0], [0, 64]], bigEndian: true, mend: mendVhd },
  'vhdx': { format: vhdx, options: { block_size: '1M' }, spots: VHDX_SPOTS, mend: mendVhdx },
  'vhdx-differencing': { format: vhdx, options: { block_size: '1M' }, differs: true, spots: VHDX_SPOTS, mend: mendVhdx },
  'vhdx-log': { format: vhdx, options: { block_size: '1M' }, dirty: true, spots: VHDX_SPOTS, mend: mendVhdx },
  'vmdk': { format: vmdk, options: {}, spots: VMDK_SPOTS },
  'vmdk-zeroed': { format: vmdk, options: { zeroed_grain: 'on' }, spots: VMDK_SPOTS },
  'vmdk-difference': { format: vmdk, options: {}, differs: true, spots: VMDK_SPOTS },
  'vmdk-stream': { format: vmdk, options: { subformat: 'streamOptimized' }, spots: [[0, 80], [512, 1100], [65536, 65560], [-1536, 0], [-4608, -1536]] },
  'vmdk-flat': { format: vmdk, options: { subformat: 'monolithicFlat' }, spots: [[0, 340]] },
}

function mendVhd(file: Uint8Array): void {
  const view = new DataView(file.buffer)
  for (const [at, length, field] of [[0, 512, 64], [512, 1024, 36], [file.length - 512, 512, 64]] as const) {
    if (at >= 0 && at + length <= file.length) view.setUint32(at + field, checksum(file.subarray(at, at + length), field))
  }
}

function mendVhdx(file: Uint8Array): void {
  const view = new DataView(file.buffer)
  const pieces: [number, number][] = [[0x10000, 4096], [0x20000, 4096], [0x30000, 65536], [0x40000, 65536]]
  for (let at = MIB; at + 4096 <= Math.min(file.length, 2 * MIB); at += 4096) {
    if (view.getUint32(at, true) === 0x65676f6c) pieces.push([at, Math.min(view.getUint32(at + 8, true), 2 * MIB - at)])
  }
  for (const [at, length] of pieces) {
    if (length >= 4096 && at + length <= file.length) view.setUint32(at + 4, crc32c(file.subarray(at, at + length), 4), true)
  }
}

const originals = new Map<string, Promise<ReadonlyMap<string, Uint8Array>>>()

/** The files of an undamaged image with some content; its first one is the image. */
function original(name: string): Promise<ReadonlyMap<string, Uint8Array>> {
  let made = originals.get(name)
  if (!made) originals.set(name, made = build(KINDS[name]!))
  return made
}

async function build({ format, options, differs, dirty, fill }: Kind): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Recording()
  const create = async (fileName: string, backing?: string): Promise<void> => {
    await format.create!(files.create(fileName), {
      size: SIZE, options, fileName, random: (into) => into.fill(fileName.length), createFile: async (other) => files.create(other),
      openFile: async (other) => files.open(other, true), ...(backing !== undefined && { backing: { name: backing } }),
    })
  }
  if (differs) await create('parent')
  await create('image', differs ? 'parent' : undefined)
  const image = await format.open(files.open('image'), {
    codecs: nodeCodecs, openFile: async (other) => files.open(other),
    openBacking: async (other) => format.open(files.open(other, true), {}),
  })
  let number = 0
  for (const step of randomSteps({ seed: 1, steps: 12, sectors: image.size / 512, largest: 256 }).sort((a, b) => a.first - b.first)) {
    // A stream is written in order, once.
    await perform(image, step, ++number).catch((error: unknown) => {
      if (!(error instanceof CodedError)) throw error
    })
  }
  await fill?.(image)
  await image.flush()
  if (!dirty) await image.close()
  const left = await cloneFiles(files.files)
  const bytes = new Map<string, Uint8Array>()
  for (const [name, store] of [...left].sort(([a], [b]) => (a === 'image' ? -1 : b === 'image' ? 1 : 0))) {
    const content = new Uint8Array(store.size)
    await store.read(0, content)
    bytes.set(name, content)
  }
  return bytes
}

/** Spoils a few numbers where it matters, or anywhere, or cuts the file off. */
function spoil(file: Uint8Array, { spots, bigEndian, mend }: Kind, random: Random): Uint8Array {
  const spoilt = random(12) === 0 ? file.slice(0, random(2) === 0 ? random(file.length) : 512 * random(file.length / 512)) : file.slice()
  const view = new DataView(spoilt.buffer)
  for (let count = random(5); count > 0 && spoilt.length > 8; count--) {
    const [from, to] = spots[random(spots.length)]!
    const first = from < 0 ? spoilt.length + from : from
    const last = to <= 0 ? spoilt.length + to : to
    const at = random(8) === 0 ? random(spoilt.length) : first + random(Math.max(1, last - first))
    if (at < 0 || at + 8 > spoilt.length) continue
    const old = view.getUint32(at, !bigEndian)
    const numbers = [0, 1, 2, 3, 7, 127, 128, 512, 4096, 65536, MIB, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, old + 1, old - 1, old * 2, random(2 ** 31), spoilt.length]
    const value = numbers[random(numbers.length)]!
    const width = random(4)
    if (width === 0) view.setUint8(at, value)
    else if (width === 1) view.setUint16(at & ~1, value, !bigEndian)
    else if (width === 2 || random(2) === 0) view.setUint32(at & ~3, value, !bigEndian)
    else view.setBigUint64(at & ~3, [BigInt(value), BigInt(value) << 20n, 2n ** 64n - 1n, 2n ** 63n, BigInt(value) * 4096n][random(5)]!, !bigEndian)
  }
  if (mend && random(8) !== 0) mend(spoilt)
  return spoilt
}

/** Opens a spoilt image and works with it: everything settles, with a coded error or none, in bounded time and memory. */
export async function fuzzImage(name: string, seed: number): Promise<void> {
  const kind = KINDS[name]!
  const random = seeded(seed)
  const stores: MemoryStore[] = []
  const files = new Map<string, Uint8Array>()
  for (const [file, bytes] of await original(name)) files.set(file, file === 'image' || random(10) === 0 ? spoil(bytes, kind, random) : bytes)
  const openFile = async (file: string, readOnly: boolean): Promise<ByteStore> => {
    const bytes = files.get(file)
    if (!bytes) throw new CodedError('file-error', `${JSON.stringify(file)}: no such file`)
    const store = new MemoryStore(bytes, readOnly)
    stores.push(store)
    return store
  }
  const readOnly = random(3) === 0
  await settles(`${name}, seed ${seed}`, async () => {
    const image = await kind.format.open(await openFile('image', readOnly), {
      codecs: nodeCodecs, openFile: (file) => openFile(file, readOnly), check: random(4) === 0, openBacking: async (file) => kind.format.open(await openFile(file, true), {}),
    })
    const sectors = image.size / 512
    const range = (): [number, number] => {
      const first = random(3) === 0 ? Math.floor((random(2 ** 30) / 2 ** 30) * sectors) : random(Math.max(1, Math.min(sectors, 8192)))
      return [first * 512, Math.min(sectors - first, 1 + random(random(10) === 0 ? 16384 : 64)) * 512]
    }
    const actions = [
      (at: number, length: number) => image.read(at, new Uint8Array(length)),
      (at: number, length: number) => image.read(at, new Uint8Array(length)),
      (at: number, length: number) => image.write(at, new Uint8Array(length).fill(1)),
      (at: number, length: number) => image.writeZeroes(at, length, random(2) === 0),
      (at: number, length: number) => image.discard(at, length),
      (at: number, length: number) => image.status(at, length),
      (at: number) => image.status(at, image.size - at),
      () => image.flush(),
      () => image.info(),
      () => image.check?.(random(2) === 0 ? 'all' : undefined),
      (at: number) => image.resize?.(random(2) === 0 ? at : image.size + 512 * random(10_000)),
      () => image.snapshots?.create('new', { seconds: 0, nanoseconds: 0 }),
      () => image.snapshots?.apply(String(1 + random(2))),
      () => image.snapshots?.delete(String(1 + random(2))),
    ]
    for (let count = 0; count < 12; count++) await quietly(async () => actions[random(actions.length)]!(...range()))
    await image.close()
  })
  const allocated = stores.reduce((sum, store) => sum + store.allocated, 0)
  if (allocated > MAX_ALLOCATED) throw new Failure(`${name}, seed ${seed}: files of ${allocated} bytes`)
}

/** Coded errors are what damaged images are for. */
async function quietly(body: () => Promise<unknown>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof CodedError) || error instanceof Failure) throw error
  }
}

async function settles(what: string, body: () => Promise<void>): Promise<void> {
  const start = performance.now()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Failure(`${what} hangs`)), PATIENCE) })
  try {
    await Promise.race([quietly(body), late])
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`${what}: ${String(error)}`, error)
  } finally {
    clearTimeout(timer)
  }
  if (performance.now() - start > PATIENCE) throw new Failure(`${what} took ${performance.now() - start} ms`)
}

/** Kinds of images to fuzz. */
export const IMAGE_KINDS: readonly string[] = Object.keys(KINDS)

import { ThrottledBackend, withCacheMode } from '@entresol/block'
import type { BackingReference, CacheMode, ImageBackend } from '@entresol/block'
import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { CACHE, FORMAT, FORMAT_OPTIONS, PROGRESS, QUIET, SHARED, SOURCE_CACHE, badUsage } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { hostClock } from '../clock.ts'
import type { Command, Host } from '../command.ts'
import { copy } from '../copy.ts'
import { closing, completing, create, findFormat, open, openSnapshot, optionHelp, takeCommonOptions } from '../images.ts'
import { Progress } from '../progress.ts'
import { cacheMode, formatOptions, parseCount, parseSize } from '../values.ts'

const PARALLEL = 8
const SPARSE = 4096

export const convertCommand: Command = {
  name: 'convert',
  operands: 'filename [filename2 …] output_filename',
  summary: 'copy an image into another format; several are joined',
  options: [
    FORMAT,
    { flags: ['-O'], argument: 'output_fmt', help: 'format of the new image; raw when not given' },
    FORMAT_OPTIONS,
    { flags: ['-B', '-b'], argument: 'backing_file', help: 'the new image is a difference to this one, which has what the source’s backing image has' },
    { flags: ['-F'], argument: 'backing_fmt', help: 'format of the backing file' },
    { flags: ['-c'], help: 'compress' },
    { flags: ['-l'], argument: 'snapshot_param', help: 'convert an internal snapshot: snapshot.id=…,snapshot.name=…, or an id or name' },
    { flags: ['-S'], argument: 'sparse_size', help: 'zeroes of this length are not written; 4k when not given, 0 writes everything' },
    { flags: ['-n'], help: 'the target is there already' },
    { flags: ['--target-is-zero'], help: 'the target that is there reads as zeroes' },
    { flags: ['-m'], argument: 'requests', help: `requests under way at a time, 1 to 16; ${PARALLEL} when not given` },
    { flags: ['-W'], help: 'write as data comes in, not in order' },
    { flags: ['-r'], argument: 'rate_limit', help: 'bytes per second' },
    { flags: ['--salvage'], help: 'what cannot be read becomes zeroes' },
    { flags: ['-C'], help: 'no effect: there is no copying by the host' },
    CACHE, SOURCE_CACHE, PROGRESS, QUIET, SHARED,
  ],
  async run(given, host) {
    const format = findFormat(given.value('-O') ?? 'raw')
    const options = formatOptions(given)
    if ('help' in options) {
      host.out(optionHelp(format))
      return 0
    }
    if (given.operands.length < 2) throw badUsage('expecting an image file name and an output file name')
    const target = given.operands.at(-1)!
    const names = given.operands.slice(0, -1)
    const { backing } = takeCommonOptions(options, given.value('-B'), given.value('-F'))
    if (backing && names.length > 1) throw badUsage('several images do not make a difference to another')
    if (given.has('--target-is-zero') && !given.has('-n')) throw badUsage('--target-is-zero goes with -n')
    if (given.has('-n') && (backing !== undefined || Object.keys(options).length > 0)) throw badUsage('-n leaves no room for -o and -B')
    if (given.has('-c') && given.value('-S') === '0') throw badUsage('-c and -S 0 do not go together')
    const snapshot = given.value('-l')
    if (snapshot !== undefined && names.length > 1) throw badUsage('-l goes with one image')
    if (names.includes(target)) throw badUsage(`'${target}' cannot be converted into itself`)
    const [cache, sourceCache] = [cacheMode(given, '-t', 'unsafe'), cacheMode(given, '-T', 'writeback')]
    const sources: ImageBackend[] = []
    try {
      for (const name of names) {
        const how = { format: given.value('-f'), readOnly: true, shared: given.has('-U'), cache: sourceCache }
        sources.push(snapshot === undefined ? await open(host, name, how) : await openSnapshot(host, name, how, snapshot))
      }
      const size = sources.reduce((sum, source) => sum + source.size, 0)
      const copyInto = (image: ImageBackend): Promise<void> => copyAll(given, host, sources, image, cache, backing !== undefined)
      if (given.has('-n')) {
        const image = await open(host, target, { format: format.name, readOnly: false, cache })
        await closing(image, () => {
          if (image.size < size) throw new CodedError('bad-target', `${target}: has ${image.size} bytes, ${size} are needed`)
          return copyInto(image)
        })
      } else {
        const image = await create(host, target, { format, size, backing: await backingOf(host, target, backing), options, cache })
        await completing(host, target, image, () => copyInto(image))
      }
    } finally {
      await Promise.allSettled(sources.map((source) => source.close()))
    }
    return 0
  },
}

async function backingOf(host: Host, target: string, backing: BackingReference | undefined): Promise<BackingReference | undefined> {
  if (backing === undefined || backing.format !== undefined) return backing
  const below = await open(host, host.files.resolve(target, backing.name), { readOnly: true, backing: false })
  await below.close()
  throw badUsage(`${target}: backing file without backing format; it looks like -F ${below.format}`)
}

async function copyAll(given: Arguments, host: Host, sources: readonly ImageBackend[], image: ImageBackend, cache: CacheMode, hasBacking: boolean): Promise<void> {
  const rate = given.value('-r')
  const throttle = (backend: BlockBackend): BlockBackend =>
    rate === undefined ? backend : new ThrottledBackend(backend, { limits: { 'bps-total': { rate: parseSize('-r', rate) } } }, hostClock)
  const target = throttle(withCacheMode(image, cache))
  const { clusterSize } = await image.info()
  let compress: { image: ImageBackend; clusterSize: number } | undefined
  if (given.has('-c')) {
    if (image.writeCompressed === undefined || clusterSize === undefined) throw new CodedError('unsupported', `images of format ${image.format} are not compressed`)
    compress = { image, clusterSize }
  }
  const sparse = parseSize('-S', given.value('-S') ?? String(SPARSE))
  if (sparse % 512 !== 0) throw badUsage('-S must be a multiple of 512')
  const progress = new Progress(host, given, sources.reduce((sum, source) => sum + source.size, 0))
  let targetOffset = 0
  let complete = false
  try {
    for (const source of sources) {
      await copy(source, target, {
        targetOffset, parallel: parseCount('-m', given.value('-m') ?? String(PARALLEL), 1, 16), outOfOrder: given.has('-W'),
        // A cluster written in part is written in full: zeroes beside data save nothing.
        sparse: sparse === 0 ? 0 : Math.min(Math.max(sparse, clusterSize ?? 0), 2 << 20),
        targetZero: (!given.has('-n') && !hasBacking) || given.has('--target-is-zero'), skipUnallocated: hasBacking, ...compress && { compress },
        salvage: given.has('--salvage') ? (offset, error) => host.err(`entresol-img: warning: sector at ${offset} cannot be read: ${error.message}\n`) : undefined,
        signal: host.signal, progress: (bytes) => progress.add(bytes),
      })
      targetOffset += source.size
    }
    await target.flush()
    complete = true
  } finally {
    progress.end(complete)
  }
}

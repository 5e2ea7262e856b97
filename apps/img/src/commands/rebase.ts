import { chainStatus, withCacheMode } from '@entresol/block'
import type { BackingReference, ImageBackend } from '@entresol/block'
import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { CACHE, FORMAT, PROGRESS, QUIET, SHARED, SOURCE_CACHE, badUsage } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import type { Command, Host } from '../command.ts'
import { checkInterrupted } from '../copy.ts'
import { findFormat, open, withImage } from '../images.ts'
import { isPresent } from '../layers.ts'
import { Progress } from '../progress.ts'
import { cacheMode } from '../values.ts'

const BUFFER = 2 << 20

export const rebaseCommand: Command = {
  name: 'rebase',
  operands: 'filename',
  summary: 'make an image a difference to another one, with the same content',
  options: [
    FORMAT, { flags: ['-b'], argument: 'backing_file', help: 'the new backing file; an empty name for none' },
    { flags: ['-F', '-B'], argument: 'backing_fmt', help: 'format of the backing file' },
    { flags: ['-u'], help: 'only change the name: the new file has what the old one had' },
    CACHE, SOURCE_CACHE, PROGRESS, QUIET, SHARED,
  ],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const name = given.value('-b')
    if (name === undefined) throw badUsage('expecting -b backing_file; -b "" for none')
    const format = given.value('-F')
    const sourceCache = cacheMode(given, '-T', 'writeback')
    const cache = cacheMode(given, '-t', 'writeback')
    const unsafe = given.has('-u')
    await withImage(host, path!, { format: given.value('-f'), readOnly: false, shared: given.has('-U'), backing: !unsafe, cache }, async (image) => {
      if (image.changeBacking === undefined) throw new CodedError('unsupported', `${path}: images of format ${image.format} have no backing file that could change`)
      let backing: BackingReference | undefined
      if (name !== '') {
        if (format === undefined && unsafe) throw badUsage('-u needs the format of the backing file: -F')
        backing = { name, format: format === undefined ? '' : findFormat(format).name }
      }
      if (!unsafe) {
        const base = name === '' ? undefined : await open(host, host.files.resolve(path!, name), { format, readOnly: true, shared: given.has('-U'), cache: sourceCache })
        try {
          if (base && format === undefined) throw badUsage(`backing file without backing format; it looks like -F ${base.format}`)
          await merge(given, host, image, withCacheMode(image, cache), base)
        } finally {
          await base?.close()
        }
        await image.flush()
      }
      await image.changeBacking(backing)
      await image.flush()
    })
    return 0
  },
}

/** Writes into `image` what it reads from its backing image and would read otherwise from `base`. */
async function merge(given: Arguments, host: Host, image: ImageBackend, target: BlockBackend, base: ImageBackend | undefined): Promise<void> {
  const { clusterSize = 65536 } = await image.info()
  const progress = new Progress(host, given, image.size)
  const [ours, theirs] = [Buffer.alloc(BUFFER), Buffer.alloc(BUFFER)] as const
  let complete = false
  try {
    for (let at = 0; at < image.size;) {
      checkInterrupted(host.signal)
      const own = await image.status(at, image.size - at)
      const below = base && at < base.size ? await chainStatus(base, at, Math.min(own.length, base.size - at)) : { length: own.length, zero: true }
      const plain = isPresent(own) || (own.zero && below.zero)
      const whole = Math.min(own.length, isPresent(own) ? Infinity : below.length)
      const length = plain ? whole : Math.min(whole, BUFFER - at % BUFFER)
      if (!plain) {
        await Promise.all([image.read(at, ours.subarray(0, length)), below.zero ? void theirs.fill(0, 0, length) : base!.read(at, theirs.subarray(0, length))])
        for (let from = 0, to = 0; from < length; from = to) {
          // Whole clusters: the rest of a cluster that is written in part would come from the old backing image all the same.
          to = Math.min(length, (Math.floor((at + from) / clusterSize) + 1) * clusterSize - at)
          if (ours.compare(theirs, from, to, from, to) !== 0) await target.write(at + from, ours.subarray(from, to))
        }
      }
      progress.add(length)
      at += length
    }
    complete = true
  } finally {
    progress.end(complete)
  }
}

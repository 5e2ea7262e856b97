import { ThrottledBackend, withCacheMode } from '@entresol/block'
import { CodedError } from '@entresol/kit'
import { CACHE, FORMAT, PROGRESS, QUIET, badUsage } from '../arguments.ts'
import { hostClock } from '../clock.ts'
import type { Command } from '../command.ts'
import { copy } from '../copy.ts'
import { UpperLayers, closeLayers, openLayers } from '../layers.ts'
import { Progress } from '../progress.ts'
import { cacheMode, parseSize } from '../values.ts'

export const commitCommand: Command = {
  name: 'commit',
  operands: 'filename',
  summary: 'write what an image holds into the image it is a difference to',
  options: [
    FORMAT, CACHE,
    { flags: ['-b'], argument: 'base', help: 'write into this image further down the chain; what is above it stays as it is' },
    { flags: ['-d'], help: 'do not empty the image afterwards' },
    { flags: ['-r'], argument: 'rate_limit', help: 'bytes per second' },
    PROGRESS, QUIET,
  ],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const baseName = given.value('-b')
    const mode = cacheMode(given, '-t', 'writeback')
    const rate = given.value('-r')
    const isBase = (name: string, depth: number): boolean => depth > 0 && (baseName === undefined || name === baseName || name === host.files.resolve(path!, baseName))
    const layers = await openLayers(host, path!, { format: given.value('-f'), readOnly: false, base: isBase, cache: mode })
    try {
      const { path: below, image: base } = layers.at(-1)!
      if (!isBase(below, layers.length - 1)) {
        throw baseName === undefined ? new CodedError('no-backing', `${path}: is no difference to another image`) : badUsage(`'${baseName}' is not in the chain of '${path}'`)
      }
      const upper = new UpperLayers(layers.slice(0, -1))
      if (upper.size > base.size) {
        if (base.resize === undefined) throw new CodedError('unsupported', `${below}: is smaller than ${path} and cannot grow`)
        await base.resize(upper.size)
      }
      const written = withCacheMode(base, mode)
      const progress = new Progress(host, given, upper.size)
      let complete = false
      try {
        await copy(upper, rate === undefined ? written : new ThrottledBackend(written, { limits: { 'bps-total': { rate: parseSize('-r', rate) } } }, hostClock), {
          targetOffset: 0, parallel: 8, outOfOrder: false, sparse: Math.max(4096, (await base.info()).clusterSize ?? 0), targetZero: false, skipUnallocated: true,
          signal: host.signal, progress: (bytes) => progress.add(bytes),
        })
        await base.flush()
        const { image: top } = layers[0]!
        if (!given.has('-d') && baseName === undefined && top.makeEmpty) {
          await top.makeEmpty()
          await top.flush()
        }
        complete = true
      } finally {
        progress.end(complete)
      }
    } finally {
      await closeLayers(layers)
    }
    if (!given.has('-q')) host.out('Image committed.\n')
    return 0
  },
}

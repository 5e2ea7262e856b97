import { chainStatus } from '@entresol/block'
import type { ImageBackend } from '@entresol/block'
import { CodedError } from '@entresol/kit'
import { FORMAT, FORMAT_OPTIONS, OUTPUT, SHARED, badUsage } from '../arguments.ts'
import type { Command } from '../command.ts'
import { closing, findFormat, open, openSnapshot, takeCommonOptions } from '../images.ts'
import { formatOptions, json, parseSize, wantsJson, wholeSectors } from '../values.ts'
import { qcow2FileSize } from './qcow2-size.ts'

export const measureCommand: Command = {
  name: 'measure',
  operands: '[filename]',
  summary: 'tell how much space an image would take in a format',
  options: [
    FORMAT, { flags: ['-O'], argument: 'output_fmt', help: 'format to measure: raw (when not given) or qcow2' }, FORMAT_OPTIONS, OUTPUT,
    { flags: ['--size'], argument: 'size', help: 'measure an empty disk of this size' },
    { flags: ['-l'], argument: 'snapshot_param', help: 'measure an internal snapshot' }, SHARED,
  ],
  async run(given, host) {
    const format = findFormat(given.value('-O') ?? 'raw')
    const options = formatOptions(given)
    const { backing } = takeCommonOptions(options, undefined, undefined)
    const sizeText = given.value('--size')
    if (given.operands.length > 1) given.exactly('image file name')
    const [path] = given.operands
    if ((path === undefined) === (sizeText === undefined)) throw badUsage('either --size or one image file name')
    if (format.name !== 'raw' && format.name !== 'qcow2') throw new CodedError('unsupported', `format ${format.name} cannot be measured`)
    const clusterSize = format.name === 'raw' ? undefined : parseSize('cluster_size', options['cluster_size'] ?? '64k')
    const measure = async (size: number, image?: ImageBackend): Promise<void> => {
      const used = clusterSize === undefined || image === undefined ? 0 : await allocatedClusters(image, clusterSize, backing !== undefined)
      const whole = clusterSize === undefined ? size : qcow2FileSize(size, clusterSize, options)
      const required = clusterSize === undefined ? size : whole - Math.ceil(size / clusterSize) * clusterSize + used * clusterSize
      // Bitmaps are not kept; an image that has none needs no space for them.
      const specific = (await image?.info())?.specific
      const noBitmaps = format.name === 'qcow2' && specific?.['compat'] === '1.1' && specific['bitmaps'] === undefined
      host.out(wantsJson(given) ? json({ ...noBitmaps && { bitmaps: 0 }, 'required': required, 'fully-allocated': whole }) : `required size: ${required}\nfully allocated size: ${whole}\n`)
    }
    if (sizeText !== undefined) await measure(wholeSectors(parseSize('--size', sizeText)))
    else {
      const how = { format: given.value('-f'), readOnly: true, shared: given.has('-U') }
      const snapshot = given.value('-l')
      const image = await (snapshot === undefined ? open(host, path!, how) : openSnapshot(host, path!, how, snapshot))
      await closing(image, () => measure(image.size, image))
    }
    return 0
  },
}

/** Clusters of the target with data. `ownOnly`: what a backing image has needs none. */
async function allocatedClusters(image: ImageBackend, clusterSize: number, ownOnly: boolean): Promise<number> {
  let count = 0
  /** First cluster that is not counted yet. */
  let next = 0
  for (let at = 0; at < image.size;) {
    const { length, zero, allocated } = ownOnly ? await image.status(at, image.size - at) : await chainStatus(image, at, image.size - at)
    if (!zero && (allocated || !ownOnly)) {
      const first = Math.max(next, Math.floor(at / clusterSize))
      next = Math.max(next, Math.ceil((at + length) / clusterSize))
      count += Math.max(0, next - first)
    }
    at += length
  }
  return count
}

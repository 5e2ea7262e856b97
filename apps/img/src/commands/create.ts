import { FORMAT, FORMAT_OPTIONS, QUIET, badUsage } from '../arguments.ts'
import type { Command } from '../command.ts'
import { createEmpty, findFormat, open, optionHelp, takeCommonOptions } from '../images.ts'
import { formatOptions, parseSize, wholeSectors } from '../values.ts'
import { formatting } from './formatting.ts'

export const createCommand: Command = {
  name: 'create',
  operands: 'filename [size]',
  summary: 'make an empty image, or one that is a difference to another',
  options: [
    { ...FORMAT, help: 'format of the image; raw when not given' },
    { flags: ['-b'], argument: 'backing_file', help: 'image the new one is a difference to' },
    { flags: ['-F', '-B'], argument: 'backing_fmt', help: 'format of the backing file' },
    { flags: ['-u'], help: 'do not look at the backing file' },
    FORMAT_OPTIONS, QUIET,
  ],
  async run(given, host) {
    const format = findFormat(given.value('-f') ?? 'raw')
    const options = formatOptions(given)
    if ('help' in options) {
      host.out(optionHelp(format))
      return 0
    }
    if (given.operands.length > 2) given.exactly('image file name', 'size')
    const [path, sizeText] = given.operands
    if (path === undefined) throw badUsage('expecting image file name')
    const common = takeCommonOptions(options, given.value('-b'), given.value('-F'))
    let size = sizeText === undefined ? common.size : wholeSectors(parseSize('size', sizeText))
    const { backing } = common
    if (backing && !given.has('-u')) {
      const below = await open(host, host.files.resolve(path, backing.name), { format: backing.format, readOnly: true })
      await below.close()
      if (backing.format === undefined) throw badUsage(`${path}: backing file without backing format; it looks like -F ${below.format}`)
      size ??= below.size
    }
    if (size === undefined) throw badUsage(`${path}: image creation needs a size`)
    if (!given.has('-q')) host.out(formatting(path, format.name, size, backing, options))
    await createEmpty(host, path, { format, size, backing, options })
    return 0
  },
}

import { CodedError } from '@entresol/kit'
import { FORMAT, QUIET, badUsage } from '../arguments.ts'
import type { Command } from '../command.ts'
import { withImage } from '../images.ts'
import { parseSize, wholeSectors } from '../values.ts'

export const resizeCommand: Command = {
  name: 'resize',
  operands: 'filename [+|-]size',
  summary: 'make the disk of an image larger or smaller',
  signedOperands: true,
  options: [
    FORMAT,
    { flags: ['--shrink'], help: 'yes, what is behind the new end is lost' },
    { flags: ['--preallocation'], argument: 'off', help: 'new space takes no space yet: off is all there is' },
    QUIET,
  ],
  async run(given, host) {
    const [path, text] = given.exactly('image file name', 'size')
    const sign = /^[+-]/.exec(text!)?.[0]
    const amount = wholeSectors(parseSize('size', text!.slice(sign === undefined ? 0 : 1)))
    given.choice('--preallocation', ['off'])
    await withImage(host, path!, { format: given.value('-f'), readOnly: false }, async (image) => {
      const size = sign === '+' ? image.size + amount : sign === '-' ? image.size - amount : amount
      if (size <= 0) throw badUsage('the new size must be positive')
      if (size < image.size && !given.has('--shrink')) throw badUsage('making the disk smaller loses what is behind its new end; use --shrink if that is meant')
      if (image.resize === undefined) throw new CodedError('unsupported', `${path}: images of format ${image.format} cannot be resized`)
      if (size !== image.size) await image.resize(size)
      await image.flush()
    })
    if (!given.has('-q')) host.out('Image resized.\n')
    return 0
  },
}

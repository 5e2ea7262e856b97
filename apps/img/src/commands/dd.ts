import type { BlockExtent } from '@entresol/interfaces'
import { chainStatus } from '@entresol/block'
import { suggestion } from '@entresol/kit'
import { FORMAT, SHARED, badUsage } from '../arguments.ts'
import type { Command } from '../command.ts'
import { copy } from '../copy.ts'
import type { Source } from '../copy.ts'
import { completing, create, findFormat, withImage } from '../images.ts'
import { parseCount, parseSize, wholeSectors } from '../values.ts'

const NAMES = ['bs', 'count', 'skip', 'if', 'of']
const MAX_BLOCK = 2 ** 31 - 1

export const ddCommand: Command = {
  name: 'dd',
  operands: '[bs=block_size] [count=blocks] [skip=blocks] if=input of=output',
  summary: 'copy part of an image into a new one',
  options: [FORMAT, { flags: ['-O'], argument: 'output_fmt', help: 'format of the new image; raw when not given' }, SHARED],
  async run(given, host) {
    const format = findFormat(given.value('-O') ?? 'raw')
    const operands = new Map(given.operands.map((operand): [string, string] => {
      const equals = operand.indexOf('=')
      const name = operand.slice(0, Math.max(0, equals)) || operand
      if (equals < 0 || !NAMES.includes(name)) throw badUsage(`unrecognized operand '${operand}'${suggestion(name, NAMES, (word) => `${word}=`)}`)
      return [name, operand.slice(equals + 1)]
    }))
    const [input, output] = [operands.get('if'), operands.get('of')]
    if (input === undefined || output === undefined) throw badUsage('expecting if=input and of=output')
    const block = parseSize('bs', operands.get('bs') ?? '512')
    if (block < 1 || block > MAX_BLOCK) throw badUsage(`bs must be from 1 to ${MAX_BLOCK}`)
    const number = (name: string): number => parseCount(name, operands.get(name)!, name === 'count' ? 1 : 0)
    const count = operands.has('count') ? number('count') * block : Infinity
    const skip = operands.has('skip') ? number('skip') * block : 0
    await withImage(host, input, { format: given.value('-f'), readOnly: true, shared: given.has('-U') }, async (source) => {
      const end = Math.min(source.size, skip + count)
      if (skip > source.size) host.err(`entresol-img: warning: ${input}: skip goes behind the end\n`)
      const part = new Part(source, skip, Math.max(0, end - skip))
      const image = await create(host, output, { format, size: part.size, options: {} })
      await completing(host, output, image, async () => {
        const { clusterSize = 0 } = await image.info()
        await copy(part, image, {
          targetOffset: 0, parallel: 8, outOfOrder: false, sparse: Math.max(4096, clusterSize), targetZero: true, skipUnallocated: false, signal: host.signal, progress: () => {},
        })
      })
    })
    return 0
  },
}

/** Some bytes of a disk, from any offset on; up to the next whole sector they are zeroes. */
class Part implements Source {
  readonly size: number
  readonly #source: Source
  readonly #start: number
  readonly #length: number

  constructor(source: Source, start: number, length: number) {
    this.#source = source
    this.#start = start
    this.#length = length
    this.size = wholeSectors(length)
  }

  async status(offset: number, length: number): Promise<BlockExtent> {
    if ((this.#start | this.#length) % 512 !== 0) return { length, allocated: true, zero: false }
    return chainStatus(this.#source, this.#start + offset, length)
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const start = this.#start + offset
    const inside = Math.min(into.length, this.#length - offset)
    const from = start - start % 512
    const whole = new Uint8Array(Math.min(wholeSectors(start + inside), this.#source.size) - from)
    await this.#source.read(from, whole)
    into.set(whole.subarray(start - from, start - from + inside))
    into.fill(0, inside)
  }
}

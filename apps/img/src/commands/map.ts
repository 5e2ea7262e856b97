import { CodedError } from '@entresol/kit'
import { FORMAT, OUTPUT, SHARED } from '../arguments.ts'
import type { Command, Host } from '../command.ts'
import { closeLayers, isPresent, layeredStatus, openLayers } from '../layers.ts'
import type { Layer } from '../layers.ts'
import { parseSize, wantsJson } from '../values.ts'

interface Stretch {
  readonly start: number
  length: number
  readonly depth: number
  readonly present: boolean
  readonly zero: boolean
  readonly data: boolean
  readonly compressed: boolean
  readonly offset: number | undefined
}

export const mapCommand: Command = {
  name: 'map',
  operands: 'filename',
  summary: 'tell where the content of an image is',
  options: [
    FORMAT, OUTPUT, { flags: ['--start-offset', '-s'], argument: 'offset', help: 'where to begin' }, { flags: ['--max-length', '-l'], argument: 'len', help: 'how far to look' }, SHARED,
  ],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const start = parseSize('--start-offset', given.value('--start-offset') ?? '0')
    const asJson = wantsJson(given)
    const limit = given.value('--max-length')
    const layers = await openLayers(host, path!, { format: given.value('-f'), readOnly: true, shared: given.has('-U') })
    try {
      const end = Math.min(layers[0]!.image.size, limit === undefined ? Infinity : start + parseSize('--max-length', limit))
      if (asJson) await printJson(host, stretches(layers, start, end))
      else await printHuman(host, stretches(layers, start, end), layers)
    } finally {
      await closeLayers(layers)
    }
    return 0
  },
}

/** The content from `start` to `end`, neighbours of one kind joined. */
async function* stretches(layers: readonly Layer[], start: number, end: number): AsyncGenerator<Stretch> {
  let last: Stretch | undefined
  // Requests begin at whole sectors.
  for (let at = start - start % 512; at < end;) {
    const { extent, depth } = await layeredStatus(layers, at, Math.ceil((end - at) / 512) * 512)
    const from = Math.max(at, start)
    const length = Math.min(end, at + extent.length) - from
    const { fileOffset } = extent
    // What can never be a difference to another image says everything itself.
    const { image } = layers[depth]!
    const present = isPresent(extent) || (image.backing === undefined && image.changeBacking === undefined)
    const next: Stretch = {
      start: from, length, depth, present, zero: extent.zero, data: isPresent(extent) && !extent.zero, compressed: extent.compressed === true,
      offset: fileOffset !== undefined ? fileOffset + from - at : undefined,
    }
    if (last && joins(last, next)) last.length += length
    else {
      if (last) yield last
      last = next
    }
    at += extent.length
  }
  if (last) yield last
}

function joins(a: Stretch, b: Stretch): boolean {
  return a.depth === b.depth && a.present === b.present && a.zero === b.zero && a.data === b.data && a.compressed === b.compressed &&
    (a.offset === undefined ? b.offset === undefined : a.offset + a.length === b.offset)
}

async function printJson(host: Host, all: AsyncIterable<Stretch>): Promise<void> {
  let first = true
  for await (const { start, length, depth, present, zero, data, offset } of all) {
    const fields = Object.entries({ start, length, depth, present, zero, data, ...offset !== undefined && { offset } })
    host.out(`${first ? '[' : ',\n'}{ ${fields.map(([name, value]) => `"${name}": ${String(value)}`).join(', ')}}`)
    first = false
  }
  host.out(first ? '[]\n' : ']\n')
}

async function printHuman(host: Host, all: AsyncIterable<Stretch>, layers: readonly Layer[]): Promise<void> {
  const hex = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`).padEnd(16)
  host.out(`${'Offset'.padEnd(16)}${'Length'.padEnd(16)}${'Mapped to'.padEnd(16)}File\n`)
  for await (const { start, length, depth, data, offset } of all) {
    if (!data) continue
    if (offset === undefined) throw new CodedError('unsupported', 'the image has compressed or encrypted clusters, or some in another file: --output=json tells of them')
    host.out(`${hex(start)}${hex(length)}${hex(offset)}${layers[depth]!.path}\n`)
  }
}

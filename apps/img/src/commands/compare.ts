import type { BlockExtent } from '@entresol/interfaces'
import { chainStatus } from '@entresol/block'
import type { ImageBackend } from '@entresol/block'
import { CodedError } from '@entresol/kit'
import { FORMAT, PROGRESS, QUIET, SHARED, SOURCE_CACHE } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import type { Command, Host } from '../command.ts'
import { checkInterrupted } from '../copy.ts'
import type { Source } from '../copy.ts'
import { open } from '../images.ts'
import { Progress } from '../progress.ts'
import { cacheMode } from '../values.ts'

/** Exit codes of qemu-img compare. */
const DIFFERENT = 1
const CANNOT_OPEN = 2
const STATUS_FAILED = 3
const READ_FAILED = 4

const BUFFER = 2 << 20

/** How a comparison ended, if not with equality. */
class Verdict {
  readonly code: number
  readonly words: string
  constructor(code: number, words: string) {
    this.code = code
    this.words = words
  }
}

export const compareCommand: Command = {
  name: 'compare',
  operands: 'filename1 filename2',
  summary: 'tell whether two images have the same content',
  options: [
    FORMAT, { flags: ['-F'], argument: 'fmt', help: 'format of the second image' }, { flags: ['-s'], help: 'sizes and what is allocated must be the same too' },
    SOURCE_CACHE, PROGRESS, QUIET, SHARED,
  ],
  async run(given, host) {
    const names = given.exactly('the first image file name', 'the second image file name')
    const cache = cacheMode(given, '-T', 'writeback')
    const opened: ImageBackend[] = []
    try {
      for (const [index, name] of names.entries()) {
        try {
          opened.push(await open(host, name, { format: given.value(index === 0 ? '-f' : '-F'), readOnly: true, shared: given.has('-U'), cache }))
        } catch (error) {
          if (!(error instanceof CodedError) || error.code === 'bad-option') throw error
          host.err(`entresol-img: ${error.message}\n`)
          return CANNOT_OPEN
        }
      }
      const [first, second] = opened as [ImageBackend, ImageBackend]
      const verdict = await compare(given, host, first, second)
      if (verdict !== undefined && verdict.code !== DIFFERENT) host.err(`entresol-img: ${verdict.words}\n`)
      else if (!given.has('-q')) host.out(`${verdict?.words ?? 'Images are identical.'}\n`)
      return verdict?.code ?? 0
    } finally {
      await Promise.allSettled(opened.map((image) => image.close()))
    }
  },
}

async function compare(given: Arguments, host: Host, first: ImageBackend, second: ImageBackend): Promise<Verdict | undefined> {
  const strict = given.has('-s')
  if (first.size !== second.size && strict) return new Verdict(DIFFERENT, 'Strict mode: Image size mismatch!')
  const [longer, shorter] = first.size > second.size ? [first, second] : [second, first]
  const progress = new Progress(host, given, longer.size)
  let done = false
  try {
    const verdict = await compareUpTo(host, shorter.size, longer, shorter, strict, progress)
    if (verdict) return verdict
    if (longer.size > shorter.size) {
      if (!given.has('-q')) host.out('Warning: Image size mismatch!\n')
      const rest = await compareUpTo(host, longer.size, longer, new Nothing(longer.size), false, progress, shorter.size)
      if (rest) return rest
    }
    done = true
    return undefined
  } finally {
    progress.end(done)
  }
}

/** What is behind the end of the shorter image. */
class Nothing implements Source {
  readonly size: number
  constructor(size: number) {
    this.size = size
  }
  async status(_offset: number, length: number): Promise<BlockExtent> {
    return { length, allocated: false, zero: true }
  }
  async read(_offset: number, into: Uint8Array): Promise<void> {
    into.fill(0)
  }
}

async function compareUpTo(host: Host, end: number, first: Source, second: Source, strict: boolean, progress: Progress, start = 0): Promise<Verdict | undefined> {
  const buffers = [Buffer.alloc(BUFFER), Buffer.alloc(BUFFER)] as const
  const [known, other] = [new Known(first), new Known(second)]
  for (let at = start; at < end;) {
    checkInterrupted(host.signal)
    let extents: readonly [BlockExtent, BlockExtent]
    try {
      extents = await Promise.all([known.at(at, end), other.at(at, end)])
    } catch (error) {
      return new Verdict(STATUS_FAILED, `status at offset ${at}: ${(error as CodedError).message}`)
    }
    const [a, b] = extents
    const bothZero = a.zero && b.zero
    const step = Math.min(a.length, b.length, bothZero ? Infinity : BUFFER)
    if (strict && a.allocated !== b.allocated) return new Verdict(DIFFERENT, `Strict mode: Offset ${at} block status mismatch!`)
    if (!bothZero) {
      const bytes = buffers.map((buffer) => buffer.subarray(0, step))
      try {
        await Promise.all([readOrZero(first, a, at, bytes[0]!), readOrZero(second, b, at, bytes[1]!)])
      } catch (error) {
        return new Verdict(READ_FAILED, `reading at offset ${at}: ${(error as CodedError).message}`)
      }
      if (bytes[0]!.compare(bytes[1]!) !== 0) return new Verdict(DIFFERENT, `Content mismatch at offset ${at + firstDifference(bytes[0]!, bytes[1]!)}!`)
    }
    progress.add(step)
    at += step
  }
  return undefined
}

/** Asks an image for its status once a stretch. */
class Known {
  readonly #source: Source
  #end = 0
  #extent: BlockExtent | undefined

  constructor(source: Source) {
    this.#source = source
  }

  /** The rest of the stretch `offset` is in, up to `end`. */
  async at(offset: number, end: number): Promise<BlockExtent> {
    if (this.#extent === undefined || offset >= this.#end) {
      this.#extent = await chainStatus(this.#source, offset, end - offset)
      this.#end = offset + this.#extent.length
    }
    return { ...this.#extent, length: this.#end - offset }
  }
}

async function readOrZero(source: Source, extent: BlockExtent, offset: number, into: Uint8Array): Promise<void> {
  if (extent.zero) into.fill(0)
  else await source.read(offset, into)
}

/** The sector where two buffers begin to differ. */
function firstDifference(a: Buffer, b: Buffer): number {
  for (let at = 0; ; at += 512) if (a.compare(b, at, at + 512, at, at + 512) !== 0) return at
}

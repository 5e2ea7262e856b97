import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { FileAccess, ImageFiles } from './files.ts'
import type { ImageBackend, ImageFormat } from './format.ts'
import { formats } from './formats.ts'
import type { Codecs } from './support/codecs.ts'

/** Images deep; longer chains are a loop or an attack. */
const MAX_CHAIN = 200
const PROBE = 65536

export interface OpenImageOptions {
  readonly files: ImageFiles
  readonly codecs?: Codecs
  /** As in `-f`; absent: by content. */
  readonly format?: string
  readonly readOnly?: boolean
  /** Does not mind other writers (`-U`). */
  readonly shared?: boolean
  /** Goes around the host's page cache where the host can (cache=none, see CACHE_MODES). */
  readonly direct?: boolean
  /** Opens what the image is a difference to; true unless said otherwise. */
  readonly backing?: boolean
  /** Opens it for `check`, see ImageOpenOptions. */
  readonly check?: boolean
  /** See ImageOpenOptions. */
  readonly random?: (into: Uint8Array) => void
}

/** The format called `name`: `unknown-format`. */
export function formatNamed(name: string): ImageFormat {
  const found = formats.find((format) => format.name === name)
  if (found === undefined) throw new CodedError('unknown-format', `no image format '${name}'`)
  return found
}

/** The format that is surest the store is its own; raw where none is. */
export async function probeFormat(store: ByteStore, fileName: string): Promise<ImageFormat> {
  const start = new Uint8Array(Math.min(PROBE, store.size))
  await store.read(0, start)
  const end = new Uint8Array(Math.min(512, store.size))
  await store.read(store.size - end.length, end)
  const scores = formats.map((format) => ({ format, score: format.probe(start, end, fileName) }))
  return scores.reduce((best, next) => (next.score > best.score ? next : best)).format
}

/** Opens the image at `path` with everything it is a difference to. The message of an error begins with the path of the file it is about. */
export async function openImage(path: string, options: OpenImageOptions): Promise<ImageBackend> {
  return openInChain(path, options, [])
}

async function openInChain(path: string, options: OpenImageOptions, above: readonly string[]): Promise<ImageBackend> {
  const { files } = options
  if (above.includes(path) || above.length >= MAX_CHAIN) throw new CodedError('bad-image', `${path}: the chain of backing images does not end`)
  const access: FileAccess = { readOnly: options.readOnly === true, shared: options.shared === true, direct: options.direct === true }
  const store = await files.open(path, access)
  const opened: (ByteStore | BlockBackend)[] = [store]
  const keep = <T extends ByteStore | BlockBackend>(one: T): T => {
    opened.push(one)
    return one
  }
  try {
    const format = options.format === undefined ? await probeFormat(store, path) : formatNamed(options.format)
    return await format.open(store, {
      ...(options.codecs && { codecs: options.codecs }),
      ...(options.check !== undefined && { check: options.check }),
      ...(options.random && { random: options.random }),
      ...(options.backing !== false && { openBacking: async (name, backingFormat) => {
        const { format: _own, ...rest } = options
        const below = { ...rest, readOnly: true, ...(backingFormat !== undefined && { format: backingFormat }) }
        return keep(await openInChain(files.resolve(path, name), below, [...above, path]))
      } }),
      openFile: async (name) => keep(await files.open(files.resolve(path, name), access)),
    })
  } catch (error) {
    await Promise.allSettled(opened.map((one) => one.close()))
    throw error instanceof CodedError ? new NamedError(path, error) : error
  }
}

/** An error that already says which file of the chain it is about. */
class NamedError extends CodedError {
  constructor(path: string, error: CodedError) {
    super(error.code, error instanceof NamedError ? error.message : `${path}: ${error.message}`, { cause: error })
  }
}

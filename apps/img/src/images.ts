import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CACHE_MODES, MemoryStore, formatNamed, formats, openImage } from '@entresol/block'
import type { BackingReference, CacheMode, ImageBackend, ImageFiles, ImageFormat } from '@entresol/block'
import { CodedError, suggestion } from '@entresol/kit'
import { badUsage } from './arguments.ts'
import type { Host } from './command.ts'
import { ScratchStore } from './scratch-store.ts'
import { parseSize, wholeSectors } from './values.ts'

export interface OpenOptions {
  readonly format?: string | undefined
  readonly readOnly: boolean
  readonly shared?: boolean
  /** Opens what it is a difference to; true unless said otherwise. */
  readonly backing?: boolean
  /** How it is cached: around the host's page cache or through it. */
  readonly cache?: CacheMode
  /** Opens it to be checked, whatever it says of its own state. */
  readonly check?: boolean
}

/** A format by its name, or by the other names qemu-img has for it. */
export function findFormat(name: string): ImageFormat {
  const known = formats.map((format) => format.name)
  if (!known.includes(name)) throw badUsage(`unknown file format '${name}'${suggestion(name, known)}`)
  return formatNamed(name)
}

const isDirect = (cache: CacheMode | undefined): boolean => cache !== undefined && CACHE_MODES[cache].direct

/** Opens an image; the message of what goes wrong names the file. */
export function open(host: Host, path: string, { format, readOnly, shared, backing, check, cache }: OpenOptions): Promise<ImageBackend> {
  return openImage(path, {
    files: host.files, codecs: host.codecs, random: host.random, readOnly, ...format !== undefined && { format: findFormat(format).name },
    ...shared && { shared }, ...backing === false && { backing }, ...check && { check },
    ...isDirect(cache) && { direct: true },
  })
}

/** Opens an image, hands it to `work`, and closes it whatever happens. */
export async function withImage<Result>(host: Host, path: string, options: OpenOptions, work: (image: ImageBackend) => Promise<Result>): Promise<Result> {
  const image = await open(host, path, options)
  return closing(image, () => work(image))
}

/** Runs `work` and then closes `image`: a failure to close counts, unless the work failed before. */
export async function closing<Result>(image: BlockBackend, work: () => Promise<Result>): Promise<Result> {
  let result: Result
  try {
    result = await work()
  } catch (error) {
    await image.close().catch(() => {})
    throw error
  }
  await image.close()
  return result
}

export interface CreateOptions {
  readonly format: ImageFormat
  readonly size: number
  readonly backing?: BackingReference | undefined
  readonly options: Readonly<Record<string, string>>
  readonly cache?: CacheMode
}

/** Makes an empty image at `path`, whatever was there before, and hands its file to `work`. Removes it again where anything fails. */
async function make<Result>(host: Host, path: string, { format, size, backing, options, cache }: CreateOptions, work: (store: ByteStore) => Promise<Result>): Promise<Result> {
  if (format.create === undefined) throw new CodedError('unsupported', `${path}: images of format ${format.name} are only read`)
  if (backing && host.files.resolve(path, backing.name) === path) throw badUsage(`${path}: cannot be a difference to itself`)
  const all = {
    size, options, ...backing && { backing }, fileName: path.slice(path.lastIndexOf('/') + 1), random: host.random, now: Math.floor(host.now() / 1000),
  }
  let store: ByteStore | undefined
  try {
    // In memory first: a mistake in the options must not cost the image that is there.
    await format.create(new MemoryStore(), { ...all, createFile: async () => new MemoryStore() })
    store = await host.files.open(path, { readOnly: false, create: true, direct: isDirect(cache) })
    await format.create(store, { ...all, createFile: (name) => host.files.open(host.files.resolve(path, name), { readOnly: false, create: true }) })
    return await work(store)
  } catch (error) {
    await store?.close().catch(() => {})
    if (store) await host.remove(path)
    // Errors of the host's files name the file already.
    throw error instanceof CodedError && !error.message.startsWith(path) ? new CodedError(error.code, `${path}: ${error.message}`, { cause: error }) : error
  }
}

/** Makes an empty image; what it is a difference to need not be there. */
export async function createEmpty(host: Host, path: string, options: CreateOptions): Promise<void> {
  await make(host, path, options, async (store) => {
    await store.flush()
    await store.close()
  })
}

/** Makes an image and opens it writable. */
export function create(host: Host, path: string, options: CreateOptions): Promise<ImageBackend> {
  return make(host, path, options, (store) => options.format.open(store, {
    codecs: host.codecs, random: host.random, openFile: (name) => host.files.open(host.files.resolve(path, name), { readOnly: false }),
    openBacking: (name, format) => open(host, host.files.resolve(path, name), { format, readOnly: true }),
  }))
}

/** Runs `work` on the new image `path`; Ctrl-C or a failure leaves no half of it behind. */
export async function completing<Result>(host: Host, path: string, image: ImageBackend, work: () => Promise<Result>): Promise<Result> {
  try {
    return await closing(image, work)
  } catch (error) {
    await host.remove(path)
    throw error
  }
}

/** What -b, -F, -o backing_file=, backing_fmt= and size= say; they are taken out of `options`. */
export function takeCommonOptions(options: Record<string, string>, file: string | undefined, format: string | undefined): { backing: BackingReference | undefined; size: number | undefined } {
  const take = (name: string): string | undefined => {
    const value = options[name]
    delete options[name]
    return value
  }
  const [fileOption, formatOption, sizeOption] = [take('backing_file'), take('backing_fmt'), take('size')]
  const name = file ?? fileOption
  const backingFormat = format ?? formatOption
  if (name === undefined && backingFormat !== undefined) throw badUsage('a backing format without a backing file')
  return {
    backing: name === undefined ? undefined : { name, ...backingFormat !== undefined && { format: findFormat(backingFormat).name } },
    size: sizeOption === undefined ? undefined : wholeSectors(parseSize('size', sizeOption)),
  }
}

/** `-o help`: the options of a format. */
export function optionHelp(format: ImageFormat): string {
  const lines = [{ name: 'size', help: 'size of the disk' }, ...format.createOptions].map(({ name, help }) => `  ${`${name}=…`.padEnd(24)} ${help}\n`)
  return `Options of ${format.name}:\n${lines.join('')}`
}

/** Opens the disk as an internal snapshot has it: the snapshot is applied to a copy of the image's tables in memory, the file stays as it is. */
export async function openSnapshot(host: Host, path: string, options: OpenOptions, parameter: string): Promise<ImageBackend> {
  const files: ImageFiles = {
    resolve: (from, name) => host.files.resolve(from, name),
    open: async (name, access) => {
      const store = await host.files.open(name, { ...access, readOnly: true })
      return name === path ? new ScratchStore(store) : store
    },
  }
  const image = await open({ ...host, files }, path, { ...options, readOnly: false })
  try {
    const { snapshots } = image
    if (snapshots === undefined) throw new CodedError('unsupported', `${path}: images of format ${image.format} have no snapshots`)
    const words = new Map(parameter.split(',').map((word) => word.split('=', 2) as [string, string | undefined]))
    const [id, name] = [words.get('snapshot.id'), words.get('snapshot.name')]
    const found = id === undefined && name === undefined
      ? snapshots.list().find((each) => each.id === parameter) ?? snapshots.list().find((each) => each.name === parameter)
      : snapshots.list().find((each) => (id === undefined || each.id === id) && (name === undefined || each.name === name))
    if (found === undefined) throw new CodedError('no-snapshot', `${path}: no snapshot '${parameter}'`)
    await snapshots.apply(found.id)
    return image
  } catch (error) {
    await image.close().catch(() => {})
    throw error
  }
}

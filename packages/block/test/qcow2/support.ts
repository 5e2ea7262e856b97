import { MemoryFiles, formatNamed, openImage } from '../../src/index.ts'
import type { ImageBackend, ImageFiles } from '../../src/index.ts'
import { nodeCodecs } from '../../src/node/index.ts'

export const qcow2 = formatNamed('qcow2')

/** Makes an image called `path`, and opens it. */
export async function newImage(
  options: Record<string, string>, size: number, files: ImageFiles = new MemoryFiles(), path = 'image.qcow2', backing?: { name: string; format?: string },
): Promise<ImageBackend> {
  const store = await files.open(path, { readOnly: false, create: true })
  const createFile = (name: string) => files.open(files.resolve(path, name), { readOnly: false, create: true })
  await qcow2.create!(store, { size, options, createFile, ...(backing && { backing }) })
  await store.close()
  return openImage(path, { files, codecs: nodeCodecs })
}

export async function contentOf(image: { readonly size: number; read(offset: number, into: Uint8Array): Promise<void> }): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.size)
  await image.read(0, bytes)
  return bytes
}

/** Options of images that differ in every way the format has. */
export const VARIANTS: readonly (readonly [what: string, options: Record<string, string>])[] = [
  ['as usual', {}],
  ['version 2', { compat: '0.10', cluster_size: '4k' }],
  ['clusters of 512 bytes', { cluster_size: '512' }],
  ['clusters of 2 MiB', { cluster_size: '2M' }],
  ['refcounts of 1 bit', { refcount_bits: '1', cluster_size: '4k' }],
  ['refcounts of 2 bits', { refcount_bits: '2', cluster_size: '1k' }],
  ['refcounts of 64 bits', { refcount_bits: '64', cluster_size: '512' }],
  ['lazy refcounts', { lazy_refcounts: 'on', cluster_size: '8k' }],
  ['subclusters', { extended_l2: 'on', cluster_size: '16k' }],
  ['zstd', { compression_type: 'zstd', cluster_size: '16k' }],
  ['an external data file', { data_file: 'image.data' }],
  ['a raw external data file', { data_file: 'image.data', data_file_raw: 'on', cluster_size: '4k' }],
]

import type { ImageBackend, ImageExtent } from '@entresol/block'
import type { BlockExtent } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { Host } from './command.ts'
import type { Source } from './copy.ts'
import { open } from './images.ts'
import type { OpenOptions } from './images.ts'

const MAX_LAYERS = 200

/** One image of a chain, opened without what is below it. */
export interface Layer {
  readonly path: string
  readonly image: ImageBackend
}

export interface LayerOptions extends OpenOptions {
  /** The layer this holds for is the last one; it is opened writable, together with what is below it. */
  readonly base?: (path: string, depth: number) => boolean
}

/** Opens an image and what it is a difference to, each by itself, the topmost first. */
export async function openLayers(host: Host, path: string, options: LayerOptions): Promise<Layer[]> {
  const layers: Layer[] = []
  try {
    for (let next: { path: string; format: string | undefined } | undefined = { path, format: options.format }; next !== undefined;) {
      const here: string = next.path
      if (layers.length >= MAX_LAYERS || layers.some((layer) => layer.path === here)) throw new CodedError('bad-image', `${path}: the chain of backing images does not end`)
      const base = options.base?.(here, layers.length) === true
      const image = await open(host, here, { ...options, format: next.format, backing: base, ...(layers.length > 0 && { readOnly: !base }) })
      layers.push({ path: here, image })
      next = base ? undefined : image.backing && { path: host.files.resolve(here, image.backing.name), format: image.backing.format }
    }
    return layers
  } catch (error) {
    await closeLayers(layers)
    throw error
  }
}

export async function closeLayers(layers: readonly Layer[]): Promise<void> {
  await Promise.allSettled(layers.map(({ image }) => image.close()))
}

export interface LayeredExtent {
  readonly extent: ImageExtent
  /** Number of the layer that decides what is read. */
  readonly depth: number
}

/** Whether an image itself says what a stretch reads as. */
export const isPresent = ({ present, allocated }: ImageExtent): boolean => present ?? allocated

/** Status of the first stretch of [offset, offset + length), and which layer it comes from. */
export async function layeredStatus(layers: readonly Layer[], offset: number, length: number): Promise<LayeredExtent> {
  let rest = length
  for (let depth = 0; ; depth++) {
    const { image } = layers[depth]!
    const extent = await image.status(offset, rest)
    rest = extent.length
    const below = layers[depth + 1]?.image
    // What is behind the end of the image below is zeroes, and this layer's doing.
    if (isPresent(extent) || below === undefined) return { extent, depth }
    if (offset >= below.size) return { extent: { length: rest, allocated: false, zero: true }, depth }
    rest = Math.min(rest, below.size - offset)
  }
}

/** What `layers` say themselves, without what is below them: the rest is not allocated. */
export class UpperLayers implements Source {
  readonly size: number
  readonly #layers: readonly Layer[]

  constructor(layers: readonly Layer[]) {
    this.#layers = layers
    this.size = layers[0]!.image.size
  }

  async status(offset: number, length: number): Promise<BlockExtent> {
    const { extent, depth } = await layeredStatus(this.#layers, offset, length)
    // A layer too short to say anything hides what is below it.
    const hides = !isPresent(extent) && depth < this.#layers.length - 1
    return { length: extent.length, allocated: isPresent(extent) || hides, zero: extent.zero && (isPresent(extent) || hides) }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      const { extent, depth } = await layeredStatus(this.#layers, offset + done, into.length - done)
      const part = into.subarray(done, done + extent.length)
      if (isPresent(extent) && !extent.zero) await this.#layers[depth]!.image.read(offset + done, part)
      else part.fill(0)
      done += part.length
    }
  }
}

import type { Gpa, GuestMemory } from '@entresol/interfaces'
import * as spec from './spec.ts'

/** struct virtio_gpu_rect, in pixels. */
export interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A piece of the guest's memory that backs a resource. */
export interface BackingPiece {
  readonly gpa: number
  readonly length: number
}

/** A 2D resource: pixels of the host, filled from pages of the guest (5.7.6.1). */
export class Resource {
  readonly format: number
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
  #backing: readonly BackingPiece[] | undefined

  constructor(format: number, width: number, height: number, pixels: Uint8Array = new Uint8Array(width * height * spec.PIXEL_BYTES)) {
    this.format = format
    this.width = width
    this.height = height
    this.pixels = pixels
  }

  get backing(): readonly BackingPiece[] | undefined {
    return this.#backing
  }

  /** Pieces that follow each other in memory become one. */
  attach(pieces: readonly BackingPiece[]): void {
    const joined: BackingPiece[] = []
    for (const piece of pieces) {
      const last = joined.at(-1)
      if (last !== undefined && last.gpa + last.length === piece.gpa) joined[joined.length - 1] = { gpa: last.gpa, length: last.length + piece.length }
      else if (piece.length > 0) joined.push(piece)
    }
    this.#backing = joined
  }

  detach(): void {
    this.#backing = undefined
  }

  contains({ x, y, width, height }: Rectangle): boolean {
    return width > 0 && height > 0 && x + width <= this.width && y + height <= this.height
  }

  /** Copies a rectangle, whose first pixel is at `offset` of the backing; rows are as far apart there as here. What has no backing stays. */
  transfer(memory: GuestMemory, { x, y, width, height }: Rectangle, offset: number): void {
    const pieces = this.#backing
    if (pieces === undefined) return
    const stride = this.width * spec.PIXEL_BYTES
    // Rows go upwards in the backing: the pieces are passed once.
    let index = 0
    let start = 0
    for (let row = 0; row < height; row++) {
      const to = ((y + row) * this.width + x) * spec.PIXEL_BYTES
      const from = offset + row * stride
      for (let done = 0; done < width * spec.PIXEL_BYTES;) {
        while (index < pieces.length && from + done >= start + pieces[index]!.length) start += pieces[index++]!.length
        const piece = pieces[index]
        if (piece === undefined) return
        const inPiece = from + done - start
        const count = Math.min(width * spec.PIXEL_BYTES - done, piece.length - inPiece)
        memory.read((piece.gpa + inPiece) as Gpa, this.pixels.subarray(to + done, to + done + count))
        done += count
      }
    }
  }

  /** Draws a rectangle of it as opaque RGBA from the top left of `into`, whose rows have the rectangle's width. */
  draw({ x, y, width, height }: Rectangle, into: Uint8ClampedArray): void {
    const [red, green, blue] = spec.FORMATS[this.format]!
    const { pixels } = this
    for (let row = 0, to = 0; row < height; row++) {
      let from = ((y + row) * this.width + x) * spec.PIXEL_BYTES
      for (let column = 0; column < width; column++, from += spec.PIXEL_BYTES, to += spec.PIXEL_BYTES) {
        into[to] = pixels[from + red]!
        into[to + 1] = pixels[from + green]!
        into[to + 2] = pixels[from + blue]!
        into[to + 3] = 0xff
      }
    }
  }

  /** Lays it over a picture of `width` × `height` with its top left at (left, top), by its alpha, which colours are multiplied with. */
  blend(into: Uint8ClampedArray, width: number, height: number, left: number, top: number): void {
    const [red, green, blue, alpha] = spec.FORMATS[this.format]!
    for (let y = Math.max(0, -top); y < this.height && top + y < height; y++) {
      for (let x = Math.max(0, -left); x < this.width && left + x < width; x++) {
        const from = (y * this.width + x) * spec.PIXEL_BYTES
        const to = ((top + y) * width + left + x) * spec.PIXEL_BYTES
        const rest = alpha < 0 ? 0 : 1 - this.pixels[from + alpha]! / 255
        into[to] = this.pixels[from + red]! + into[to]! * rest
        into[to + 1] = this.pixels[from + green]! + into[to + 1]! * rest
        into[to + 2] = this.pixels[from + blue]! + into[to + 2]! * rest
      }
    }
  }
}

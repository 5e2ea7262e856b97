import { bytes, type Check, integer, list, record, refuse, safe, u32 } from '@entresol/kit/saved-state'
import type { BackingPiece, Rectangle } from './resource.ts'
import * as spec from './spec.ts'

export interface ResourceState {
  id: number
  format: number
  width: number
  height: number
  pixels: Uint8Array
  /** None while detached. */
  backing: BackingPiece[][]
}

export interface CursorState {
  resource: number
  x: number
  y: number
}

export interface VirtioGpuState {
  width: number
  height: number
  events: number
  resources: ResourceState[]
  /** 0: none. */
  scanout: number
  rectangle: Rectangle
  cursor: CursorState
}

/** Resources a driver may have, pieces of memory behind one, and pixels along a side. */
export const MAX_RESOURCES = 4096
export const MAX_PIECES = 16_384
export const MAX_SIDE = 16_384

const checkResource: Check<ResourceState> = (value, path) => {
  const state = record<ResourceState>({
    id: u32, format: u32, width: integer(1, MAX_SIDE), height: integer(1, MAX_SIDE), pixels: bytes(0, Number.MAX_SAFE_INTEGER),
    backing: list(list(record<BackingPiece>({ gpa: safe, length: safe }), MAX_PIECES), 1),
  })(value, path)
  if (spec.FORMATS[state.format] === undefined) refuse(`${path}.format`, 'a format')
  if (state.pixels.length !== state.width * state.height * spec.PIXEL_BYTES) refuse(`${path}.pixels`, 'width × height pixels')
  return state
}

const checkShape: Check<VirtioGpuState> = record<VirtioGpuState>({
  width: integer(1, MAX_SIDE), height: integer(1, MAX_SIDE), events: u32, resources: list(checkResource, MAX_RESOURCES), scanout: u32,
  rectangle: record<Rectangle>({ x: u32, y: u32, width: u32, height: u32 }),
  cursor: record<CursorState>({ resource: u32, x: integer(-(2 ** 31), 2 ** 31 - 1), y: integer(-(2 ** 31), 2 ** 31 - 1) }),
})

export const checkGpuState: Check<VirtioGpuState> = (value, path) => {
  const state = checkShape(value, path)
  const shown = state.resources.find(({ id }) => id === state.scanout)
  const { x, y, width, height } = state.rectangle
  if (state.scanout !== 0 && !(shown !== undefined && width > 0 && height > 0 && x + width <= shown.width && y + height <= shown.height)) {
    refuse(`${path}.rectangle`, 'inside the resource that is shown')
  }
  return state
}

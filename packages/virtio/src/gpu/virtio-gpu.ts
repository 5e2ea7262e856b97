import type { AccessSize, DescriptorChain, FramebufferSource, GuestMemory, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { makeEdid } from './edid.ts'
import { Resource } from './resource.ts'
import type { BackingPiece, Rectangle } from './resource.ts'
import * as spec from './spec.ts'
import { checkGpuState, MAX_PIECES, MAX_RESOURCES, MAX_SIDE } from './state.ts'
import type { CursorState, VirtioGpuState } from './state.ts'

export interface VirtioGpuOptions {
  readonly name?: string
  readonly memory: GuestMemory
  /** Pixels of the display at first. Default 1280 × 800. */
  readonly width?: number
  readonly height?: number
  /** Bytes of pixels that resources may have in all. Default 128 MiB. */
  readonly maxBytes?: number
}

const NOWHERE: Rectangle = { x: 0, y: 0, width: 0, height: 0 }
const NO_CURSOR: CursorState = { resource: 0, x: 0, y: 0 }

/** A graphics adapter with one display and no 3D (virtio 1.2, 5.7). */
export class VirtioGpu implements VirtioDevice<VirtioGpuState>, FramebufferSource {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.VIRTIO_ID_GPU
  readonly features: bigint = spec.F_EDID
  readonly queueSizes: readonly number[] = [64, 16]
  readonly config: Uint8Array = new Uint8Array(spec.CONFIG_BYTES)
  readonly #view: DataView = new DataView(this.config.buffer)
  readonly #memory: GuestMemory
  readonly #maxBytes: number
  readonly #resources: Map<number, Resource> = new Map()
  #host: VirtioHost | undefined
  #queues: readonly Virtqueue[] = []
  #bytes = 0
  /** The size the display would like to be. */
  #display: { width: number; height: number }
  /** Resource that is shown, 0 for none, and the part of it. */
  #scanout = 0
  #rectangle: Rectangle = NOWHERE
  #cursor: CursorState = NO_CURSOR

  /** Throws `virtio-gpu-options`. */
  constructor(options: VirtioGpuOptions) {
    this.name = options.name ?? 'virtio-gpu'
    this.#memory = options.memory
    this.#maxBytes = options.maxBytes ?? 128 * 2 ** 20
    this.#display = this.#checkedSize(options.width ?? 1280, options.height ?? 800)
    this.#view.setUint32(spec.CONFIG_NUM_SCANOUTS, 1, true)
  }

  /** Of what the guest shows; of the display while it shows nothing. */
  get width(): number {
    return this.#scanout === 0 ? this.#display.width : this.#rectangle.width
  }

  get height(): number {
    return this.#scanout === 0 ? this.#display.height : this.#rectangle.height
  }

  text(): undefined {
    return undefined
  }

  render(into: Uint8ClampedArray): void {
    const shown = this.#resources.get(this.#scanout)
    if (shown === undefined) {
      into.fill(0)
      for (let at = 3; at < into.length; at += spec.PIXEL_BYTES) into[at] = 0xff
      return
    }
    shown.draw(this.#rectangle, into)
    this.#resources.get(this.#cursor.resource)?.blend(into, this.width, this.height, this.#cursor.x, this.#cursor.y)
  }

  /** The display has another size now: the driver is told, and may follow. Throws `virtio-gpu-options`. */
  resize(width: number, height: number): void {
    this.#display = this.#checkedSize(width, height)
    this.#view.setUint32(spec.CONFIG_EVENTS_READ, spec.EVENT_DISPLAY, true)
    this.#host?.configChanged()
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  /** 5.7.4: ones written to `events_clear` clear events. */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset >= spec.CONFIG_NUM_SCANOUTS) return
    for (let byte = 0; byte < size; byte++) {
      if (offset + byte >= spec.CONFIG_EVENTS_CLEAR) this.config[offset + byte - spec.CONFIG_EVENTS_CLEAR]! &= ~(value >>> (8 * byte))
    }
  }

  activate(_features: bigint, queues: readonly Virtqueue[]): void {
    this.#queues = queues
  }

  notified(index: number): void {
    const queue = this.#queues[index]!
    for (let chain; (chain = queue.pop()) !== undefined;) {
      queue.push(chain, index === spec.CONTROLQ ? this.#control(chain) : this.#moveCursor(chain))
    }
    queue.publish()
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  reset(): void {
    this.#queues = []
    this.#resources.clear()
    this.#bytes = 0
    this.#hide()
    this.#cursor = NO_CURSOR
    this.#view.setUint32(spec.CONFIG_EVENTS_READ, 0, true)
  }

  save(): VirtioGpuState {
    const resources = [...this.#resources].map(([id, { format, width, height, pixels, backing }]) =>
      ({ id, format, width, height, pixels: pixels.slice(), backing: backing === undefined ? [] : [[...backing]] }))
    return {
      ...this.#display, events: this.#view.getUint32(spec.CONFIG_EVENTS_READ, true), resources, scanout: this.#scanout, rectangle: this.#rectangle,
      cursor: this.#cursor,
    }
  }

  restore(state: VirtioGpuState): void {
    const { width, height, events, resources, scanout, rectangle, cursor } = checkGpuState(state, this.name)
    this.#display = { width, height }
    this.#view.setUint32(spec.CONFIG_EVENTS_READ, events, true)
    this.#resources.clear()
    this.#bytes = 0
    for (const { id, format, width: wide, height: high, pixels, backing: [pieces] } of resources) {
      const resource = new Resource(format, wide, high, pixels)
      if (pieces !== undefined) resource.attach(pieces)
      this.#resources.set(id, resource)
      this.#bytes += pixels.length
    }
    this.#scanout = scanout
    this.#rectangle = rectangle
    this.#cursor = cursor
  }

  #checkedSize(width: number, height: number): { width: number; height: number } {
    for (const side of [width, height]) {
      if (!Number.isInteger(side) || side < 1 || side > MAX_SIDE) throw new CodedError('virtio-gpu-options', `${this.name}: a side of the display has 1 to ${MAX_SIDE} pixels`)
    }
    return { width, height }
  }

  #hide(): void {
    this.#scanout = 0
    this.#rectangle = NOWHERE
  }

  /** Carries out one command and writes the answer; returns its length. */
  #control(chain: DescriptorChain): number {
    const request = readRequest(chain)
    const type = request === undefined ? spec.RESP_ERR_UNSPEC : this.#execute(request, chain)
    const answer = new DataView(new ArrayBuffer(answerBytes(type)))
    answer.setUint32(spec.HDR_TYPE, type, true)
    if (request !== undefined && (request.getUint32(spec.HDR_FLAGS, true) & spec.FLAG_FENCE) !== 0) {
      answer.setUint32(spec.HDR_FLAGS, spec.FLAG_FENCE, true)
      answer.setBigUint64(spec.HDR_FENCE_ID, request.getBigUint64(spec.HDR_FENCE_ID, true), true)
      answer.setUint32(spec.HDR_CTX_ID, request.getUint32(spec.HDR_CTX_ID, true), true)
    }
    if (type === spec.RESP_OK_DISPLAY_INFO) {
      const { width, height } = this.#display
      ;[0, 0, width, height, 1].forEach((field, n) => answer.setUint32(spec.HDR_BYTES + 4 * n, field, true))
    } else if (type === spec.RESP_OK_EDID) {
      const edid = makeEdid(this.#display.width, this.#display.height)
      answer.setUint32(spec.HDR_BYTES, edid.length, true)
      new Uint8Array(answer.buffer).set(edid, spec.EDID_AT)
    }
    return chain.write(0, new Uint8Array(answer.buffer))
  }

  /** 5.7.6.8; the type of the answer. */
  #execute(request: DataView, chain: DescriptorChain): number {
    const u32 = (at: number): number => request.getUint32(at, true)
    const rectangle = (): Rectangle => ({ x: u32(24), y: u32(28), width: u32(32), height: u32(36) })
    switch (u32(spec.HDR_TYPE)) {
      case spec.CMD_GET_DISPLAY_INFO: return spec.RESP_OK_DISPLAY_INFO
      case spec.CMD_GET_EDID: return u32(24) === 0 ? spec.RESP_OK_EDID : spec.RESP_ERR_INVALID_SCANOUT_ID
      case spec.CMD_RESOURCE_CREATE_2D: return this.#create(u32(24), u32(28), u32(32), u32(36))
      case spec.CMD_RESOURCE_UNREF: return this.#with(u32(24), (resource) => {
        this.#resources.delete(u32(24))
        this.#bytes -= resource.pixels.length
        if (this.#scanout === u32(24)) this.#hide()
        return spec.RESP_OK_NODATA
      })
      case spec.CMD_SET_SCANOUT: return this.#setScanout(rectangle(), u32(40), u32(44))
      // What a resource holds is what is drawn when somebody looks.
      case spec.CMD_RESOURCE_FLUSH: return this.#with(u32(40), (resource) => answerTo(resource.contains(rectangle())))
      case spec.CMD_TRANSFER_TO_HOST_2D: return this.#with(u32(48), (resource) => {
        const offset = Number(request.getBigUint64(40, true))
        if (resource.backing === undefined || !resource.contains(rectangle()) || !Number.isSafeInteger(offset)) return spec.RESP_ERR_INVALID_PARAMETER
        resource.transfer(this.#memory, rectangle(), offset)
        return spec.RESP_OK_NODATA
      })
      case spec.CMD_RESOURCE_ATTACH_BACKING: return this.#with(u32(24), (resource) => {
        const pieces = readPieces(chain, u32(28))
        if (pieces !== undefined) resource.attach(pieces)
        return answerTo(pieces !== undefined)
      })
      case spec.CMD_RESOURCE_DETACH_BACKING: return this.#with(u32(24), (resource) => {
        resource.detach()
        return spec.RESP_OK_NODATA
      })
      default: return spec.RESP_ERR_UNSPEC
    }
  }

  #with(id: number, work: (resource: Resource) => number): number {
    const resource = this.#resources.get(id)
    return resource === undefined ? spec.RESP_ERR_INVALID_RESOURCE_ID : work(resource)
  }

  #create(id: number, format: number, width: number, height: number): number {
    if (id === 0 || this.#resources.has(id)) return spec.RESP_ERR_INVALID_RESOURCE_ID
    if (spec.FORMATS[format] === undefined || width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) return spec.RESP_ERR_INVALID_PARAMETER
    const bytes = width * height * spec.PIXEL_BYTES
    if (this.#bytes + bytes > this.#maxBytes || this.#resources.size >= MAX_RESOURCES) return spec.RESP_ERR_OUT_OF_MEMORY
    this.#resources.set(id, new Resource(format, width, height))
    this.#bytes += bytes
    return spec.RESP_OK_NODATA
  }

  #setScanout(rectangle: Rectangle, scanout: number, id: number): number {
    if (scanout !== 0) return spec.RESP_ERR_INVALID_SCANOUT_ID
    if (id === 0) {
      this.#hide()
      return spec.RESP_OK_NODATA
    }
    return this.#with(id, (resource) => {
      if (!resource.contains(rectangle)) return spec.RESP_ERR_INVALID_PARAMETER
      this.#scanout = id
      this.#rectangle = rectangle
      return spec.RESP_OK_NODATA
    })
  }

  /** 5.7.6.10: commands of the cursor queue have no answer. */
  #moveCursor(chain: DescriptorChain): number {
    const request = readRequest(chain)
    const type = request?.getUint32(spec.HDR_TYPE, true)
    if (request === undefined || (type !== spec.CMD_UPDATE_CURSOR && type !== spec.CMD_MOVE_CURSOR)) return 0
    // The one scanout.
    if (request.getUint32(24, true) !== 0) return 0
    const resource = type === spec.CMD_UPDATE_CURSOR ? request.getUint32(40, true) : this.#cursor.resource
    const image = this.#resources.get(resource)
    const isImage = image !== undefined && image.width <= spec.CURSOR_SIZE && image.height <= spec.CURSOR_SIZE
    this.#cursor = { resource: isImage ? resource : 0, x: request.getInt32(28, true), y: request.getInt32(32, true) }
    return 0
  }
}

const answerTo = (isValid: boolean): number => (isValid ? spec.RESP_OK_NODATA : spec.RESP_ERR_INVALID_PARAMETER)

function answerBytes(type: number): number {
  if (type === spec.RESP_OK_DISPLAY_INFO) return spec.HDR_BYTES + spec.MAX_SCANOUTS * spec.DISPLAY_BYTES
  return type === spec.RESP_OK_EDID ? spec.EDID_AT + spec.EDID_ROOM : spec.HDR_BYTES
}

/** The fixed part of a command; undefined when it is cut short. */
function readRequest(chain: DescriptorChain): DataView | undefined {
  if (chain.readableLength < spec.HDR_BYTES) return undefined
  const wanted = spec.REQUEST_BYTES[chain.readU32(spec.HDR_TYPE)] ?? spec.HDR_BYTES
  const bytes = new Uint8Array(wanted)
  return chain.read(0, bytes) === wanted ? new DataView(bytes.buffer) : undefined
}

/** The memory entries behind ATTACH_BACKING; undefined when they are too many or not there. */
function readPieces(chain: DescriptorChain, count: number): BackingPiece[] | undefined {
  if (count > MAX_PIECES) return undefined
  const bytes = new Uint8Array(count * spec.MEM_ENTRY_BYTES)
  if (chain.read(spec.REQUEST_BYTES[spec.CMD_RESOURCE_ATTACH_BACKING]!, bytes) !== bytes.length) return undefined
  const view = new DataView(bytes.buffer)
  const pieces: BackingPiece[] = []
  for (let at = 0; at < bytes.length; at += spec.MEM_ENTRY_BYTES) {
    const gpa = Number(view.getBigUint64(at, true))
    if (!Number.isSafeInteger(gpa)) return undefined
    pieces.push({ gpa, length: view.getUint32(at + 8, true) })
  }
  return pieces
}

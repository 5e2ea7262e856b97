import type { AccessSize, BusDevice, Clock, FramebufferSource, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { ByteRegisters } from '../device/byte-registers.ts'
import { linearMode, readDispi, writeDispi } from './dispi.ts'
import { PlanarMemory } from './memory.ts'
import { displayMode } from './mode.ts'
import { VgaPorts } from './registers.ts'
import { renderScreen } from './render.ts'
import * as spec from './spec.ts'
import { checkVgaState, powerOnRegisters, VGA_STATE_VERSION } from './state.ts'
import type { VgaRegisters, VgaState } from './state.ts'
import { textCells, textCursor } from './text.ts'
import { enterTextMode } from './text-mode.ts'

export interface VgaOptions {
  /** For input status 1 (retrace) and blinking. */
  readonly clock: Clock
  /** Bytes of video memory: a power of two from 256 KiB to 256 MiB; default 16 MiB. */
  readonly vramSize?: number
}

/** A VGA with the Bochs display interface, as QEMU's standard VGA. */
export class Vga implements FramebufferSource, Resettable, Snapshotable<VgaState> {
  readonly snapshotVersion: number = VGA_STATE_VERSION
  /** Video memory: planar modes interleave the planes byte by byte in the first 256 KiB, linear modes use all of it. */
  readonly vram: Uint8Array
  /** Ports 3B0h..3DFh. */
  readonly ports: BusDevice
  /** Ports 1CEh..1D0h. */
  readonly dispiPorts: BusDevice
  /** Memory A0000h..BFFFFh. */
  readonly legacyWindow: BusDevice
  /** BAR 0. */
  readonly linearFramebuffer: BusDevice
  /** BAR 2. */
  readonly mmio: BusDevice
  readonly #clock: Clock
  readonly #memory: PlanarMemory
  #r: VgaRegisters = powerOnRegisters()

  constructor(options: VgaOptions) {
    const size = options.vramSize ?? spec.VRAM_DEFAULT
    if (!Number.isInteger(size) || size < 0x40000 || size > 0x1000_0000 || (size & (size - 1)) !== 0) {
      throw new CodedError('bad-vram-size', `vga: ${size} bytes of video memory are not a power of two in 256 KiB..256 MiB`)
    }
    this.#clock = options.clock
    this.vram = new Uint8Array(size)
    this.#memory = new PlanarMemory(this.vram)
    const ports = new VgaPorts(() => this.#r, () => this.#clock.now())
    this.ports = new ByteRegisters('vga', spec.PORT_LENGTH, (o) => ports.read(spec.PORT_BASE + o), (o, v) => ports.write(spec.PORT_BASE + o, v))
    this.dispiPorts = {
      name: 'vga-dispi', length: spec.DISPI_LENGTH,
      read: (offset, size) => this.#readDispiPort(offset, size), write: (offset, size, value) => this.#writeDispiPort(offset, size, value),
    }
    this.legacyWindow = new ByteRegisters('vga-window', spec.WINDOW_LENGTH, (o) => this.#readWindow(o), (o, v) => this.#writeWindow(o, v))
    this.linearFramebuffer = framebuffer(this.vram)
    const low = new ByteRegisters('vga-mmio', spec.MMIO_LENGTH, (o) => this.#readMmio(o, ports), (o, v) => this.#writeMmio(o, v, ports))
    this.mmio = {
      name: low.name, length: low.length, read: (offset, size) => low.read(offset, size),
      write: (offset, size, value) => (inDispi(offset) ? this.#writeMmioDispi(offset, size, value) : low.write(offset, size, value)),
    }
  }

  get width(): number {
    return displayMode(this.#r).width
  }

  get height(): number {
    return displayMode(this.#r).height
  }

  /** The text screen, undefined in graphics modes. `cursor` is a cell index, -1 when hidden. */
  text(): { columns: number; rows: number; cells: Uint8Array; cursor: number } | undefined {
    const mode = displayMode(this.#r)
    if (mode.kind !== 'text') return undefined
    return { columns: mode.columns, rows: mode.rows, cells: textCells(this.#r, this.vram, mode), cursor: textCursor(this.#r, mode) }
  }

  /** Throws `bad-framebuffer` when `into` is smaller than width × height × 4. */
  render(into: Uint8ClampedArray): void {
    const pixels = this.width * this.height
    if (into.length < pixels * 4) throw new CodedError('bad-framebuffer', `vga: ${into.length} bytes do not hold ${this.width} x ${this.height} pixels`)
    const aligned = into.byteOffset % 4 === 0
    const out = aligned ? new Uint32Array(into.buffer, into.byteOffset, pixels) : new Uint32Array(pixels)
    renderScreen(this.#r, this.vram, this.#clock.now(), out)
    if (!aligned) into.set(new Uint8ClampedArray(out.buffer))
  }

  /** Sets 80 × 25 colour text as a video BIOS would, for a guest started without firmware. `font`: 256 glyphs of 16 bytes. */
  enterTextMode(font?: Uint8Array): void {
    enterTextMode(this.#r, this.vram)
    if (!font) return
    for (let i = 0; i < Math.min(font.length, 4096); i++) this.vram[((i >> 4) * 32 + (i & 15)) * 4 + 2] = font[i]
  }

  reset(): void {
    this.#r = powerOnRegisters()
    this.vram.fill(0)
  }

  save(): VgaState {
    return { ...structuredClone(this.#r), vram: this.vram.slice() }
  }

  restore(state: VgaState): void {
    const { vram, ...registers } = checkVgaState(this.vram.length)(state, 'vga')
    const d = registers.dispi
    if (d[spec.DISPI_XRES] > spec.MAX_XRES || d[spec.DISPI_YRES] > spec.MAX_YRES || !spec.DEPTHS.includes(d[spec.DISPI_BPP] || 8)) {
      throw new CodedError('bad-snapshot', 'saved state: vga.dispi is not a mode')
    }
    this.#r = registers
    this.vram.set(vram)
  }

  #readWindow(offset: number): number {
    if (!linearMode(this.#r)) return this.#memory.read(this.#r, offset)
    return offset < spec.BANK_SIZE ? this.#memory.readLinear(this.#r.dispi[spec.DISPI_BANK] * spec.BANK_SIZE + offset) : 0xff
  }

  #writeWindow(offset: number, value: number): void {
    if (!linearMode(this.#r)) this.#memory.write(this.#r, offset, value)
    else if (offset < spec.BANK_SIZE) this.#memory.writeLinear(this.#r.dispi[spec.DISPI_BANK] * spec.BANK_SIZE + offset, value)
  }

  #readDispiPort(offset: number, size: AccessSize): number | IoFault {
    if (size !== 2) return 'bad-size'
    return offset === 0 ? this.#r.dispiIndex : readDispi(this.#r, this.#r.dispiIndex, this.vram)
  }

  #writeDispiPort(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 2) return 'bad-size'
    if (offset === 0) this.#r.dispiIndex = value
    else writeDispi(this.#r, this.#r.dispiIndex, value, this.vram)
    return undefined
  }

  #readMmio(offset: number, ports: VgaPorts): number {
    if (offset >= spec.MMIO_VGA && offset < spec.MMIO_VGA_END) return ports.read(0x3c0 + offset - spec.MMIO_VGA)
    if (inDispi(offset)) return (readDispi(this.#r, (offset - spec.MMIO_DISPI) >> 1, this.vram) >> (8 * (offset & 1))) & 0xff
    const extended = offset - spec.MMIO_EXTENDED
    if (extended >= 0 && extended < 4) return extended === 0 ? spec.EXTENDED_SIZE : 0
    if (extended >= 4 && extended < 8) return spec.LITTLE_ENDIAN_FRAMEBUFFER & 0xff
    return 0xff
  }

  #writeMmio(offset: number, value: number, ports: VgaPorts): void {
    if (offset >= spec.MMIO_VGA && offset < spec.MMIO_VGA_END) ports.write(0x3c0 + offset - spec.MMIO_VGA, value)
  }

  /** DISPI registers are words: a write takes effect whole. */
  #writeMmioDispi(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size === 1 || offset & 1) return size === 1 ? 'bad-size' : 'unaligned'
    const index = (offset - spec.MMIO_DISPI) >> 1
    writeDispi(this.#r, index, value & 0xffff, this.vram)
    if (size === 4) writeDispi(this.#r, index + 1, value >>> 16, this.vram)
    return undefined
  }
}

function inDispi(offset: number): boolean {
  return offset >= spec.MMIO_DISPI && offset < spec.MMIO_DISPI_END
}

/** Plain bytes as a device. */
function framebuffer(bytes: Uint8Array): BusDevice {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    name: 'vga-framebuffer',
    length: bytes.length,
    read: (offset, size) => (size === 1 ? bytes[offset] : size === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true)),
    write: (offset, size, value) => {
      if (size === 1) bytes[offset] = value
      else if (size === 2) view.setUint16(offset, value, true)
      else view.setUint32(offset, value, true)
      return undefined
    },
  }
}

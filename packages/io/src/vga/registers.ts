import { frameTiming } from './timing.ts'
import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'

/** The byte-wide VGA ports 3B0h..3DFh. CRTC and input status 1 answer at 3Bxh or 3Dxh, as the miscellaneous output register says. */
export class VgaPorts {
  readonly #r: () => VgaRegisters
  readonly #now: () => number

  /** `registers` gives the current register file, `now` virtual time in ns. */
  constructor(registers: () => VgaRegisters, now: () => number) {
    this.#r = registers
    this.#now = now
  }

  read(port: number): number {
    const r = this.#r()
    switch (port) {
      case spec.ATTRIBUTE_ADDRESS: return r.attributeIndex
      case spec.ATTRIBUTE_DATA_READ: return at(r.attribute, r.attributeIndex & 0x1f)
      case spec.MISC_WRITE: return 0 // input status 0: no interrupt, switch sense low
      case spec.SEQUENCER_INDEX: return r.sequencerIndex
      case spec.SEQUENCER_DATA: return at(r.sequencer, r.sequencerIndex)
      case spec.PEL_MASK: return r.pelMask
      case spec.PEL_READ_ADDRESS: return r.dacDirection
      case spec.PEL_WRITE_ADDRESS: return r.dacWrite
      case spec.PEL_DATA: return this.#readDac(r)
      case spec.FEATURE_READ: return r.feature
      case spec.MISC_READ: return r.misc
      case spec.GRAPHICS_INDEX: return r.graphicsIndex
      case spec.GRAPHICS_DATA: return at(r.graphics, r.graphicsIndex)
      default: return this.#readCrtc(r, port)
    }
  }

  write(port: number, value: number): void {
    const r = this.#r()
    switch (port) {
      case spec.ATTRIBUTE_ADDRESS: this.#writeAttribute(r, value); break
      case spec.MISC_WRITE: r.misc = value & 0xef; break
      case spec.SEQUENCER_INDEX: r.sequencerIndex = value & 7; break
      case spec.SEQUENCER_DATA:
        if (r.sequencerIndex < spec.SEQUENCER_COUNT) r.sequencer[r.sequencerIndex] = value & spec.SEQUENCER_MASKS[r.sequencerIndex]
        break
      case spec.PEL_MASK: r.pelMask = value; break
      case spec.PEL_READ_ADDRESS:
        r.dacRead = value
        r.dacComponent = 0
        r.dacDirection = 3
        break
      case spec.PEL_WRITE_ADDRESS:
        r.dacWrite = value
        r.dacComponent = 0
        r.dacDirection = 0
        break
      case spec.PEL_DATA: this.#writeDac(r, value); break
      case spec.GRAPHICS_INDEX: r.graphicsIndex = value & 0x0f; break
      case spec.GRAPHICS_DATA:
        if (r.graphicsIndex < spec.GRAPHICS_COUNT) r.graphics[r.graphicsIndex] = value & spec.GRAPHICS_MASKS[r.graphicsIndex]
        break
      default: this.#writeCrtc(r, port, value)
    }
  }

  /** Offset among CRTC ports when `port` is on the selected side, -1 when it is not. */
  #crtcOffset(r: VgaRegisters, port: number): number {
    const base = r.misc & spec.MISC_COLOR ? 0x3d0 : 0x3b0
    return port >= base && port < base + 0x0c ? port - base : -1
  }

  #readCrtc(r: VgaRegisters, port: number): number {
    const offset = this.#crtcOffset(r, port)
    // Index and data repeat at 3D0h..3D7h on every second port.
    if (offset >= 0 && offset < 8) return offset & 1 ? at(r.crtc, r.crtcIndex) : r.crtcIndex
    if (offset !== spec.INPUT_STATUS_1) return 0xff
    r.attributeData = false
    const { blank, retrace } = frameTiming(r, this.#now())
    return (blank ? spec.STATUS_DISPLAY_DISABLED : 0) | (retrace ? spec.STATUS_V_RETRACE : 0)
  }

  #writeCrtc(r: VgaRegisters, port: number, value: number): void {
    const offset = this.#crtcOffset(r, port)
    if (offset === spec.INPUT_STATUS_1) r.feature = value & 3
    if (offset < 0 || offset >= 8) return
    if (!(offset & 1)) {
      r.crtcIndex = value & 0x3f
      return
    }
    const index = r.crtcIndex
    if (index >= spec.CRTC_COUNT) return
    if (index <= spec.CR_OVERFLOW && r.crtc[spec.CR_V_RETRACE_END] & spec.CR11_PROTECT) {
      if (index === spec.CR_OVERFLOW) r.crtc[index] = (r.crtc[index] & ~spec.CR7_LINE_COMPARE) | (value & spec.CR7_LINE_COMPARE)
      return
    }
    r.crtc[index] = value
  }

  /** One port for address and data, told apart by a flip-flop that reading input status 1 resets. */
  #writeAttribute(r: VgaRegisters, value: number): void {
    r.attributeData = !r.attributeData
    if (r.attributeData) {
      r.attributeIndex = value & 0x3f
      return
    }
    const index = r.attributeIndex & 0x1f
    if (index >= spec.ATTRIBUTE_COUNT) return
    // The palette registers are only written while the screen does not use them.
    if (index < 16 && r.attributeIndex & spec.PALETTE_ADDRESS_SOURCE) return
    r.attribute[index] = index < 16 || index === spec.AR_PLANE_ENABLE ? value & 0x3f : value
  }

  #readDac(r: VgaRegisters): number {
    const value = r.dac[r.dacRead * 3 + r.dacComponent]
    r.dacComponent = (r.dacComponent + 1) % 3
    if (r.dacComponent === 0) r.dacRead = (r.dacRead + 1) & 0xff
    return value
  }

  #writeDac(r: VgaRegisters, value: number): void {
    const wide = r.dispi[spec.DISPI_ENABLE] & spec.BIT8_DAC
    r.dac[r.dacWrite * 3 + r.dacComponent] = wide ? value : value & 0x3f
    r.dacComponent = (r.dacComponent + 1) % 3
    if (r.dacComponent === 0) r.dacWrite = (r.dacWrite + 1) & 0xff
  }
}

function at(registers: Uint8Array, index: number): number {
  return index < registers.length ? registers[index] : 0
}

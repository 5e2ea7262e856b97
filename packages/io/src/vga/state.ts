import { bool, bytes, integer, list, record, u16, u32, u8 } from '../device/saved-state.ts'
import type { Check } from '../device/saved-state.ts'
import * as spec from './spec.ts'

export const VGA_STATE_VERSION = 1

export interface VgaRegisters {
  misc: number
  feature: number
  sequencerIndex: number
  sequencer: Uint8Array
  crtcIndex: number
  crtc: Uint8Array
  graphicsIndex: number
  graphics: Uint8Array
  /** Attribute address with the palette address source bit; whether the next write to 3C0h is data. */
  attributeIndex: number
  attribute: Uint8Array
  attributeData: boolean
  /** Digital-to-analog converter: 256 × (red, green, blue), mask, addresses, component position, last direction (3 read, 0 write). */
  dac: Uint8Array
  pelMask: number
  dacRead: number
  dacWrite: number
  dacComponent: number
  dacDirection: number
  /** The four planes' latches, plane 0 in the low byte. */
  latch: number
  dispiIndex: number
  dispi: number[]
}

export interface VgaState extends VgaRegisters {
  vram: Uint8Array
}

export function powerOnRegisters(): VgaRegisters {
  return {
    misc: spec.MISC_RESET_VALUE, feature: 0, sequencerIndex: 0, sequencer: new Uint8Array(spec.SEQUENCER_COUNT), crtcIndex: 0,
    crtc: new Uint8Array(spec.CRTC_COUNT), graphicsIndex: 0, graphics: new Uint8Array(spec.GRAPHICS_COUNT), attributeIndex: 0,
    attribute: new Uint8Array(spec.ATTRIBUTE_COUNT), attributeData: false, dac: new Uint8Array(768), pelMask: 0xff, dacRead: 0,
    dacWrite: 0, dacComponent: 0, dacDirection: 0, latch: 0, dispiIndex: 0, dispi: [spec.DISPI_ID5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  }
}

/** The check for a display of `vramSize` bytes. */
export function checkVgaState(vramSize: number): Check<VgaState> {
  return record<VgaState>({
    misc: u8, feature: u8, sequencerIndex: u8, sequencer: bytes(spec.SEQUENCER_COUNT), crtcIndex: u8, crtc: bytes(spec.CRTC_COUNT),
    graphicsIndex: u8, graphics: bytes(spec.GRAPHICS_COUNT), attributeIndex: integer(0, 0x3f), attribute: bytes(spec.ATTRIBUTE_COUNT),
    attributeData: bool, dac: bytes(768), pelMask: u8, dacRead: u8, dacWrite: u8, dacComponent: integer(0, 2), dacDirection: integer(0, 3),
    latch: u32, dispiIndex: u16, dispi: list(u16, spec.DISPI_COUNT, true), vram: bytes(vramSize),
  })
}

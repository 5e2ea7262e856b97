import { bool, bytes, type Check, integer, list, record, u16, u32, u8 } from '@entresol/kit/saved-state'
import { finite } from '../core/checks.ts'
import { checkMicrowireState, type MicrowireState } from '../nic/microwire.ts'
import { checkPciDeviceState, type PciDeviceState } from '../pci/state.ts'
import { PCI_CONFIG_SIZE } from '../pci/spec.ts'
import { PHY_REGISTERS } from './phy.ts'
import { REGISTERS_END } from './spec.ts'
import { PACKET_MAX } from './transmit.ts'

export const E1000_STATE_VERSION = 1

/** A TCP/IP context descriptor (3.3.6): IPCSS, IPCSO, IPCSE, TUCSS, TUCSO, TUCSE, TUCMD, HDRLEN, MSS. */
export interface OffloadContext {
  ipStart: number
  ipOffset: number
  ipEnd: number
  start: number
  offset: number
  end: number
  command: number
  headerLength: number
  maximumSegment: number
}

export interface TransmitState {
  plain: OffloadContext
  segmentation: OffloadContext
  /** Bytes gathered of a packet whose end has not come. */
  packet: Uint8Array
  begun: boolean
  /** The packet is longer than any may be: its rest is passed over. */
  overflow: boolean
  /** Of the packet's first descriptor: TSE in bit 10, POPTS below. */
  options: number
}

export interface E1000State {
  pci: PciDeviceState
  /** Registers by number of 32-bit word. */
  registers: Uint32Array
  phy: number[]
  eeprom: MicrowireState
  /** IOADDR. */
  ioAddress: number
  transmit: TransmitState
  /** Virtual time (ns) of the last interrupt. */
  lastInterrupt: number
  /** The level of the interrupt. */
  asserted: boolean
}

const checkContext: Check<OffloadContext> = record<OffloadContext>({
  ipStart: u8, ipOffset: u8, ipEnd: u16, start: u8, offset: u8, end: u16, command: u8, headerLength: u8, maximumSegment: u16
})

const words: Check<Uint32Array> = (value, path) => {
  const all = value instanceof Uint32Array ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value
  return new Uint32Array(bytes(REGISTERS_END)(all, path).buffer)
}

export const checkE1000State: Check<E1000State> = record<E1000State>({
  pci: checkPciDeviceState(PCI_CONFIG_SIZE), registers: words, phy: list(u16, PHY_REGISTERS, true), eeprom: checkMicrowireState, ioAddress: u32,
  transmit: record<TransmitState>({
    plain: checkContext, segmentation: checkContext, packet: bytes(0, PACKET_MAX), begun: bool, overflow: bool, options: integer(0, 0xffff)
  }),
  lastInterrupt: finite, asserted: bool
})

import { bool, bytes, type Check, integer, record, safe } from '@entresol/kit/saved-state'
import { checkMicrowireState, type MicrowireState } from '../nic/microwire.ts'
import { PCI_CONFIG_SIZE } from '../pci/spec.ts'
import { checkPciDeviceState, type PciDeviceState } from '../pci/state.ts'
import { DESCRIPTORS_MAX, LEGACY_DESCRIPTORS, LENGTH } from './spec.ts'

export const RTL8139_STATE_VERSION = 1
/** Bytes gathered for one packet at most: a large send of 64 KiB and its headers. */
export const PACKET_MAX: number = 0x1_0000 + 256

/** A ring of C+ descriptors on its way out. */
export interface TransmitRingState {
  /** The next descriptor. */
  index: number
  /** Bytes gathered of a packet whose end has not come. */
  packet: Uint8Array
  overflow: boolean
}

/** What DTCCR dumps, as far as it happens here. */
export interface TallyState {
  transmitted: number
  received: number
  receivedUnicast: number
  receivedBroadcast: number
  receivedMulticast: number
}

export interface Rtl8139State {
  pci: PciDeviceState
  /** The registers' bytes. */
  registers: Uint8Array
  eeprom: MicrowireState
  /** The next of the four descriptors of C mode. */
  legacyIndex: number
  normal: TransmitRingState
  high: TransmitRingState
  /** The next receive descriptor of C+ mode. */
  receiveIndex: number
  tally: TallyState
  /** Virtual time (ns) at which TCTR was zero. */
  timerBase: number
}

const ring: Check<TransmitRingState> = record<TransmitRingState>({ index: integer(0, DESCRIPTORS_MAX - 1), packet: bytes(0, PACKET_MAX), overflow: bool })

export const checkTally: Check<TallyState> = record<TallyState>({
  transmitted: safe, received: safe, receivedUnicast: safe, receivedBroadcast: safe, receivedMulticast: safe
})

export const checkRtl8139State: Check<Rtl8139State> = record<Rtl8139State>({
  pci: checkPciDeviceState(PCI_CONFIG_SIZE), registers: bytes(LENGTH), eeprom: checkMicrowireState, legacyIndex: integer(0, LEGACY_DESCRIPTORS - 1),
  normal: ring, high: ring, receiveIndex: integer(0, DESCRIPTORS_MAX - 1), tally: checkTally, timerBase: safe
})

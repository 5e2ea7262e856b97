import { bool, bytes, integer, oneOf, record, refuse, safe, u16, u32, u8 } from '../device/saved-state.ts'
import type { Check } from '../device/saved-state.ts'
import { CHUNK, PRD_ENTRIES_MAX } from './spec.ts'

export const IDE_STATE_VERSION = 1

/** What a drive is doing. */
export type TransferKind = 'none' | 'pio-in' | 'pio-out' | 'dma-in' | 'dma-out' | 'trim' | 'packet' | 'flush'

export interface DriveState {
  status: number
  error: number
  /** Command block registers: bits 7..0 the last, 15..8 the previous value written (LBA48's two-deep FIFOs, ATA-7 vol. 1, 5.9). */
  feature: number
  count: number
  low: number
  mid: number
  high: number
  device: number
  irq: boolean
  kind: TransferKind
  /** Who moves next: the back-end (an operation is under way, restarted by restore) or the guest (data register, bus master). */
  stage: 'idle' | 'backend' | 'guest'
  /** Next sector to load or store, and how many are left. */
  lba: number
  remaining: number
  /** Bytes per DRQ block; the position, the block's end and the end of the valid bytes in the buffer. */
  block: number
  position: number
  end: number
  length: number
  /** SET MULTIPLE MODE; INITIALIZE DEVICE PARAMETERS; SET FEATURES transfer mode and write cache. */
  multiple: number
  heads: number
  sectors: number
  transferMode: number
  writeCache: boolean
  /** Packet devices: DMA bit and byte count limit of the running PACKET; sense; pending unit attention; tray and lock; media event. */
  packetDma: boolean
  byteLimit: number
  sense: number
  attention: number
  trayOpen: boolean
  locked: boolean
  mediaEvent: number
}

/** Saved with the first `length` bytes of the buffer. */
export type SavedDrive = DriveState & { type: 'disk' | 'cdrom'; data: Uint8Array }

export interface BusMasterState {
  command: number
  status: number
  prdt: number
  /** Address of the next descriptor; the current region's rest; whether it is the last; descriptors fetched so far. */
  next: number
  base: number
  left: number
  last: boolean
  fetched: number
}

export interface ChannelState {
  control: number
  selected: number
  drives: [SavedDrive | null, SavedDrive | null]
  busMaster: BusMasterState
}

export interface IdeState {
  channels: [ChannelState, ChannelState]
}

const checkDriveFields: Check<SavedDrive> = record<SavedDrive>({
  type: oneOf('disk', 'cdrom'),
  status: u8, error: u8, feature: u16, count: u16, low: u16, mid: u16, high: u16, device: u8, irq: bool,
  kind: oneOf('none', 'pio-in', 'pio-out', 'dma-in', 'dma-out', 'trim', 'packet', 'flush'), stage: oneOf('idle', 'backend', 'guest'),
  lba: safe, remaining: u32, block: integer(0, CHUNK), position: integer(0, CHUNK), end: integer(0, CHUNK), length: integer(0, CHUNK),
  multiple: integer(0, 16), heads: integer(1, 16), sectors: integer(1, 255), transferMode: u8, writeCache: bool, packetDma: bool,
  byteLimit: u16, sense: integer(0, 0xff_ffff), attention: integer(0, 0xff_ffff), trayOpen: bool, locked: bool, mediaEvent: integer(0, 4),
  data: bytes(0, CHUNK),
})

const checkDrive: Check<SavedDrive> = (value, path) => {
  const s = checkDriveFields(value, path)
  const ordered = s.position <= s.end && s.end <= s.length && s.length === s.data.length
  return ordered ? s : refuse(path, 'a drive with position <= end <= length of data')
}

function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? null : check(value, path))
}

function pair<T>(check: Check<T>): Check<[T, T]> {
  return (value, path) => {
    const { 0: a, 1: b } = record<{ 0: T; 1: T }>({ 0: check, 1: check })(value, path)
    return [a, b]
  }
}

export const checkIdeState: Check<IdeState> = record<IdeState>({
  channels: pair(record<ChannelState>({
    control: u8,
    selected: integer(0, 1),
    drives: pair(orNull(checkDrive)),
    busMaster: record<BusMasterState>({
      command: u8, status: u8, prdt: u32, next: u32, base: u32, left: integer(0, 65536), last: bool, fetched: integer(0, PRD_ENTRIES_MAX),
    }),
  })),
})

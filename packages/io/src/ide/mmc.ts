import * as spec from './spec.ts'

/** What a packet command comes to. */
export type PacketResult =
  | { readonly data: Uint8Array }
  | { readonly lba: number; readonly sectors: number }
  | { readonly sense: number }

/** The drive's situation as packet commands see it. */
export interface DiscView {
  /** Size of the disc in 2048-byte sectors, undefined without a disc or with the tray open. */
  readonly sectors: number | undefined
  readonly trayOpen: boolean
  readonly locked: boolean
  readonly sense: number
  readonly mediaEvent: number
  readonly model: string
  readonly firmware: string
}

/** Discs above this many sectors (a 99-minute CD) are DVDs. */
const CD_SECTORS_MAX = 445_500
const PROFILE_CD = 0x0008
const PROFILE_DVD = 0x0010
const LEAD_OUT = 0xaa

function be(packet: Uint8Array, at: number, length: number): number {
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + packet[at + i]
  return value
}

function be32(value: number): number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}

function reply(bytes: readonly number[], allocation: number): PacketResult {
  return { data: Uint8Array.from(bytes.slice(0, allocation)) }
}

function noDisc(disc: DiscView): PacketResult {
  return { sense: disc.trayOpen ? spec.SENSE_TRAY_OPEN : spec.SENSE_NOT_READY_NO_MEDIUM }
}

/** Commands that only tell (MMC-3; SPC-3 for the general ones). Undefined: not one of them. */
export function answerPacket(packet: Uint8Array, disc: DiscView): PacketResult | undefined {
  switch (packet[0]) {
    case spec.TEST_UNIT_READY: return disc.sectors === undefined ? noDisc(disc) : { data: new Uint8Array(0) }
    case spec.REQUEST_SENSE: return reply(senseData(disc.sense), packet[4])
    case spec.INQUIRY: return packet[1] & 1 ? { sense: spec.SENSE_INVALID_FIELD } : reply(inquiry(disc), packet[4])
    case spec.MODE_SENSE_6: return modeSense(packet, disc, packet[4], 4)
    case spec.MODE_SENSE_10: return modeSense(packet, disc, be(packet, 7, 2), 8)
    case spec.READ_CAPACITY:
      return disc.sectors === undefined ? noDisc(disc) : reply([...be32(disc.sectors - 1), ...be32(spec.CD_SECTOR)], 8)
    case spec.READ_10: return readRange(disc, be(packet, 2, 4), be(packet, 7, 2))
    case spec.READ_12: return readRange(disc, be(packet, 2, 4), be(packet, 6, 4))
    case spec.READ_CD: return readCd(packet, disc)
    case spec.SEEK_10: return readRange(disc, be(packet, 2, 4), 0)
    case spec.READ_TOC: return readToc(packet, disc)
    case spec.GET_CONFIGURATION: return getConfiguration(packet, disc)
    case spec.GET_EVENT_STATUS: return eventStatus(packet, disc)
    case spec.READ_DISC_INFORMATION: return disc.sectors === undefined ? noDisc(disc) : reply(DISC_INFORMATION, be(packet, 7, 2))
    case spec.MECHANISM_STATUS: return reply([0, disc.trayOpen ? 0x10 : 0, 0, 0, 0, 0, 0, 0], be(packet, 8, 2))
    case spec.SET_CD_SPEED: return { data: new Uint8Array(0) }
    default: return undefined
  }
}

function readRange(disc: DiscView, lba: number, sectors: number): PacketResult {
  if (disc.sectors === undefined) return noDisc(disc)
  if (lba + sectors > disc.sectors || lba >= disc.sectors) return { sense: spec.SENSE_LBA_OUT_OF_RANGE }
  return sectors === 0 ? { data: new Uint8Array(0) } : { lba, sectors }
}

/** READ CD for plain user data only: this medium has no headers, EDC or subchannels to give. */
function readCd(packet: Uint8Array, disc: DiscView): PacketResult {
  const fields = packet[9] & 0xf8
  if (fields !== 0 && fields !== 0x10) return { sense: spec.SENSE_INVALID_FIELD }
  return readRange(disc, be(packet, 2, 4), fields === 0 ? 0 : be(packet, 6, 3))
}

/** Fixed format sense data (SPC-3, 4.5.3). */
function senseData(sense: number): number[] {
  return [0x70, 0, sense >> 16, 0, 0, 0, 0, 10, 0, 0, 0, 0, (sense >> 8) & 0xff, sense & 0xff, 0, 0, 0, 0]
}

function inquiry(disc: DiscView): number[] {
  const text = (value: string, length: number): number[] => [...value.padEnd(length, ' ').slice(0, length)].map((c) => c.charCodeAt(0) & 0x7f)
  // Type 5, removable, response format 2 as ATAPI has it, 31 more bytes.
  return [0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0, ...text('ENTRESOL', 8), ...text(disc.model, 16), ...text(disc.firmware, 4)]
}

const PAGE_ERROR_RECOVERY: readonly number[] = [0x01, 6, 0, 5, 0, 0, 0, 0]

/** CD capabilities and mechanical status: reads CD-R and DVD, tray loader, lockable. Speeds in kB/s. */
function pageCapabilities(disc: DiscView): number[] {
  return [0x2a, 18, 0x3b, 0x00, 0x70, 0x60, 0x29 | (disc.locked ? 2 : 0), 0x00, 0x1b, 0x90, 0x01, 0x00, 0x02, 0x00, 0x1b, 0x90, 0, 0, 0, 0]
}

function modeSense(packet: Uint8Array, disc: DiscView, allocation: number, headerSize: number): PacketResult {
  const control = packet[2] >> 6
  const page = packet[2] & 0x3f
  if (control === 3) return { sense: 0x05_3900 } // saving parameters not supported
  const known = page === 0x3f || page === 0x01 || page === 0x2a
  if (!known) return { sense: spec.SENSE_INVALID_FIELD }
  const pages: number[] = []
  if (page !== 0x2a) pages.push(...PAGE_ERROR_RECOVERY)
  if (page !== 0x01) pages.push(...pageCapabilities(disc))
  // Page control 1: the changeable bits, of which there are none.
  const shown = control === 1 ? blankPages(pages) : pages
  const length = headerSize + shown.length
  const header = headerSize === 4 ? [length - 1, 0, 0, 0] : [(length - 2) >> 8, (length - 2) & 0xff, 0, 0, 0, 0, 0, 0]
  return reply([...header, ...shown], allocation)
}

function blankPages(pages: readonly number[]): number[] {
  const out = pages.map(() => 0)
  for (let at = 0; at < pages.length; at += 2 + pages[at + 1]) {
    out[at] = pages[at]
    out[at + 1] = pages[at + 1]
  }
  return out
}

function address(lba: number, msf: boolean): number[] {
  if (!msf) return be32(lba)
  const frames = lba + 150
  return [0, Math.floor(frames / 75 / 60) & 0xff, Math.floor(frames / 75) % 60, frames % 75]
}

/** One session with one data track. Format 0: tracks; 1: last session's first track (MMC-3, 6.25). */
function readToc(packet: Uint8Array, disc: DiscView): PacketResult {
  if (disc.sectors === undefined) return noDisc(disc)
  const msf = (packet[1] & 2) !== 0
  // Older software puts the format into the control byte's top bits.
  const format = packet[2] & 0x0f || packet[9] >> 6
  const start = packet[6]
  const allocation = be(packet, 7, 2)
  const first = [0, 0x14, 1, 0, ...address(0, msf)]
  if (format === 1) return reply([0, 10, 1, 1, ...first], allocation)
  if (format !== 0 || (start > 1 && start !== LEAD_OUT)) return { sense: spec.SENSE_INVALID_FIELD }
  const leadOut = [0, 0x16, LEAD_OUT, 0, ...address(disc.sectors, msf)]
  const body = start <= 1 ? [...first, ...leadOut] : leadOut
  return reply([0, body.length + 2, 1, 1, ...body], allocation)
}

/** Features in ascending order: code, version/persistent/current byte, data (MMC-3, 5.3). */
function features(profile: number): { code: number; flags: number; data: number[] }[] {
  const current = (p: number): number => (profile === p ? 1 : 0)
  return [
    { code: 0x00, flags: 0x03, data: [0, PROFILE_DVD, current(PROFILE_DVD), 0, 0, PROFILE_CD, current(PROFILE_CD), 0] },
    { code: 0x01, flags: 0x07, data: [0, 0, 0, 2, 0, 0, 0, 0] }, // core: ATAPI
    { code: 0x03, flags: 0x03, data: [0x29, 0, 0, 0] }, // removable medium: tray, eject, lock
    { code: 0x10, flags: profile ? 1 : 0, data: [0, 0, 8, 0, 0, 1, 0, 0] }, // random readable: 2048-byte blocks
    { code: 0x1e, flags: current(PROFILE_CD), data: [0, 0, 0, 0] },
    { code: 0x1f, flags: current(PROFILE_DVD), data: [0, 0, 0, 0] },
  ]
}

function getConfiguration(packet: Uint8Array, disc: DiscView): PacketResult {
  const type = packet[1] & 3
  const from = be(packet, 2, 2)
  if (type === 3) return { sense: spec.SENSE_INVALID_FIELD }
  const profile = disc.sectors === undefined ? 0 : disc.sectors > CD_SECTORS_MAX ? PROFILE_DVD : PROFILE_CD
  const wanted = features(profile).filter((f) => (type === 2 ? f.code === from : f.code >= from && (type === 0 || f.flags & 1)))
  const body = wanted.flatMap((f) => [f.code >> 8, f.code & 0xff, f.flags, f.data.length, ...f.data])
  return reply([...be32(body.length + 4), 0, 0, profile >> 8, profile & 0xff, ...body], be(packet, 7, 2))
}

/** Polled notification of the media class only (MMC-3, 6.7). */
function eventStatus(packet: Uint8Array, disc: DiscView): PacketResult {
  if (!(packet[1] & 1)) return { sense: spec.SENSE_INVALID_FIELD }
  const allocation = be(packet, 7, 2)
  if (!(packet[4] & 0x10)) return reply([0, 2, 0x80, 0x10], allocation)
  const present = (disc.trayOpen ? 1 : 0) | (disc.sectors === undefined ? 0 : 2)
  return reply([0, 6, 0x04, 0x10, disc.mediaEvent, present, 0, 0], allocation)
}

/** A complete, finalised CD-ROM with one session and one track. */
const DISC_INFORMATION: readonly number[] = [0, 32, 0x0e, 1, 1, 1, 1, 0x20, ...new Array<number>(26).fill(0)]

import type { BlockBackend } from '@entresol/interfaces'
import { IdeDrive } from './drive.ts'
import { identifyCdrom } from './identify.ts'
import type { DriveIdentity } from './identify.ts'
import { answerPacket } from './mmc.ts'
import type { DiscView, PacketResult } from './mmc.ts'
import * as spec from './spec.ts'
import type { TransferKind } from './state.ts'

const READY = spec.DRDY | spec.DSC
/** Media events of GET EVENT STATUS NOTIFICATION. */
const EVENT_EJECT_REQUEST = 1
const EVENT_NEW_MEDIA = 2
const EVENT_REMOVAL = 3

/** Commands that a pending unit attention does not stop (SPC-3, 5.7; MMC-3, 6.7 and 6.4). */
const ATTENTION_EXEMPT: ReadonlySet<number> = new Set([spec.INQUIRY, spec.REQUEST_SENSE, spec.GET_CONFIGURATION, spec.GET_EVENT_STATUS])

/** An ATAPI CD-ROM (DVD-ROM for larger images) drive over a BlockBackend of 2048-byte sectors. */
export class AtapiCdrom extends IdeDrive {
  readonly kindOfDrive = 'cdrom' as const
  readonly #identity: DriveIdentity
  #disc: BlockBackend | undefined

  constructor(disc: BlockBackend | undefined, identity: DriveIdentity) {
    super(spec.SIGNATURE_ATAPI, spec.CD_SECTOR)
    this.#disc = disc
    this.#identity = identity
  }

  /** The host changes the disc (undefined: takes it out); the guest learns by unit attention and media event. */
  setMedium(disc: BlockBackend | undefined): void {
    this.#disc = disc
    this.s.trayOpen = false
    this.s.attention = disc ? spec.SENSE_MEDIUM_CHANGED : 0
    this.s.mediaEvent = disc ? EVENT_NEW_MEDIA : EVENT_REMOVAL
  }

  /** The host's finger on the eject button: a request to the guest when it has locked the tray, else the tray opens. */
  pressEject(): void {
    if (!this.s.locked) this.s.trayOpen = true
    this.s.mediaEvent = this.s.locked ? EVENT_EJECT_REQUEST : EVENT_REMOVAL
  }

  override powerOn(): void {
    super.powerOn()
    this.s.attention = spec.SENSE_POWER_ON
  }

  protected medium(): BlockBackend | undefined {
    return this.s.trayOpen ? undefined : this.#disc
  }

  protected execute(command: number): void {
    switch (command) {
      case spec.DEVICE_RESET: this.softReset(); break
      case spec.PACKET: this.#startPacket(); break
      case spec.IDENTIFY_PACKET_DEVICE:
        this.s.byteLimit = 0 // marks a plain PIO command, without interrupt reasons
        this.startReply('pio-in', identifyCdrom(this.#identity, this.s.transferMode), 512)
        break
      // These abort and show the signature, so that disk drivers learn what this is (ATA-7 vol. 1, 6.17 and 6.32).
      case spec.IDENTIFY_DEVICE: case spec.READ_SECTORS:
        this.softReset()
        this.s.status = READY
        this.#abort()
        break
      case spec.SET_FEATURES:
        if ((this.s.feature & 0xff) === spec.FEATURE_TRANSFER_MODE) this.s.transferMode = this.s.count & 0xff
        this.#succeed()
        break
      case spec.CHECK_POWER_MODE: this.s.count = 0xff; this.#succeed(); break
      case spec.STANDBY_IMMEDIATE: case spec.IDLE_IMMEDIATE: case spec.STANDBY: case spec.IDLE: case spec.SLEEP:
      case spec.FLUSH_CACHE: this.#succeed(); break
      default: this.#abort()
    }
  }

  /** Announces a DRQ block: direction in the interrupt reason, size in the byte count registers. */
  protected offered(): void {
    const s = this.s
    if (s.kind === 'packet') s.count = spec.REASON_CD
    else if (s.byteLimit !== 0) {
      const length = s.end - s.position
      s.count = spec.REASON_IO
      s.mid = length & 0xff
      s.high = length >> 8
    }
  }

  protected completed(kind: TransferKind): void {
    if (kind === 'pio-in' && this.s.byteLimit === 0) {
      this.s.status = READY
      return
    }
    this.#good()
  }

  protected failed(): void {
    this.#check(this.medium() ? spec.SENSE_UNRECOVERED_READ : spec.SENSE_NOT_READY_NO_MEDIUM)
  }

  protected packetReceived(): void {
    const s = this.s
    const packet = this.buffer.slice(0, spec.PACKET_SIZE)
    this.cancel()
    const exempt = ATTENTION_EXEMPT.has(packet[0])
    if (s.attention !== 0 && !exempt) {
      const attention = s.attention
      s.attention = 0
      this.#check(attention)
      return
    }
    if (packet[0] === spec.REQUEST_SENSE && s.sense === 0 && s.attention !== 0) {
      s.sense = s.attention
      s.attention = 0
    }
    const result = answerPacket(packet, this.#view()) ?? this.#mechanical(packet)
    if (packet[0] === spec.REQUEST_SENSE || !('sense' in result)) s.sense = spec.SENSE_NONE
    if (packet[0] === spec.GET_EVENT_STATUS && packet[4] & 0x10 && !('sense' in result)) s.mediaEvent = 0
    this.#begin(result)
  }

  #view(): DiscView {
    const s = this.s
    const disc = this.medium()
    return {
      sectors: disc && disc.size >= spec.CD_SECTOR ? Math.floor(disc.size / spec.CD_SECTOR) : undefined,
      trayOpen: s.trayOpen, locked: s.locked, sense: s.sense, mediaEvent: s.mediaEvent,
      model: this.#identity.model, firmware: this.#identity.firmware,
    }
  }

  /** Commands that move the tray or its lock. */
  #mechanical(packet: Uint8Array): PacketResult {
    const s = this.s
    if (packet[0] === spec.PREVENT_ALLOW) s.locked = (packet[4] & 1) !== 0
    else if (packet[0] === spec.START_STOP_UNIT) {
      if ((packet[4] & 3) === 2) {
        if (s.locked) return { sense: spec.SENSE_REMOVAL_PREVENTED }
        s.trayOpen = true
        s.mediaEvent = EVENT_REMOVAL
      } else if ((packet[4] & 3) === 3 && s.trayOpen) {
        s.trayOpen = false
        if (this.#disc) {
          s.attention = spec.SENSE_MEDIUM_CHANGED
          s.mediaEvent = EVENT_NEW_MEDIA
        }
      }
    } else return { sense: spec.SENSE_INVALID_OPCODE }
    return { data: new Uint8Array(0) }
  }

  #startPacket(): void {
    const s = this.s
    s.packetDma = (s.feature & 1) !== 0
    const limit = (s.mid & 0xff) | ((s.high & 0xff) << 8)
    // 0 is not a limit a host may set, and an odd one counts as one less (ATA-7 vol. 1, 6.24).
    s.byteLimit = limit === 0 || limit === 0xffff ? 0xfffe : Math.max(2, limit & 0xfffe)
    this.startPacket(spec.PACKET_SIZE)
  }

  #begin(result: PacketResult): void {
    const kind = this.s.packetDma ? 'dma-in' : 'pio-in'
    if ('sense' in result) this.#check(result.sense)
    else if ('lba' in result) this.startTransfer(kind, result.lba, result.sectors, this.s.byteLimit)
    else if (result.data.length === 0) this.#good()
    else this.startReply(kind, result.data, this.s.byteLimit)
  }

  /** Status phase of a packet command. */
  #good(): void {
    this.s.count = spec.REASON_CD | spec.REASON_IO
    this.#succeed()
  }

  #check(sense: number): void {
    const s = this.s
    s.sense = sense
    s.count = spec.REASON_CD | spec.REASON_IO
    s.error = ((sense >> 16) << 4) | spec.ABRT
    s.status = READY | spec.ERR
    this.raise()
  }

  #succeed(): void {
    this.s.status = READY
    this.raise()
  }

  #abort(): void {
    this.s.error = spec.ABRT
    this.s.status = READY | spec.ERR
    this.raise()
  }
}

import type { BlockBackend } from '@entresol/interfaces'
import { IdeDrive } from './drive.ts'
import { identifyDisk } from './identify.ts'
import type { DriveIdentity } from './identify.ts'
import * as spec from './spec.ts'
import type { TransferKind } from './state.ts'

const READY = spec.DRDY | spec.DSC

/** An ATA disk over a BlockBackend: CHS, LBA28 and LBA48, PIO and DMA, flush and TRIM. */
export class AtaDisk extends IdeDrive {
  readonly kindOfDrive = 'disk' as const
  readonly #backend: BlockBackend
  readonly #identity: DriveIdentity
  /** Size in sectors. */
  readonly #total: number

  constructor(backend: BlockBackend, identity: DriveIdentity) {
    super(spec.SIGNATURE_ATA, spec.SECTOR)
    this.#backend = backend
    this.#identity = identity
    this.#total = Math.floor(backend.size / spec.SECTOR)
  }

  protected medium(): BlockBackend {
    return this.#backend
  }

  protected execute(command: number): void {
    switch (command) {
      case spec.READ_SECTORS: case 0x21: this.#move('pio-in', false, spec.SECTOR); break
      case spec.READ_SECTORS_EXT: this.#move('pio-in', true, spec.SECTOR); break
      case spec.READ_MULTIPLE: this.#moveMultiple('pio-in', false); break
      case spec.READ_MULTIPLE_EXT: this.#moveMultiple('pio-in', true); break
      case spec.READ_DMA: case 0xc9: this.#move('dma-in', false, 0); break
      case spec.READ_DMA_EXT: this.#move('dma-in', true, 0); break
      case spec.WRITE_SECTORS: case 0x31: this.#move('pio-out', false, spec.SECTOR); break
      case spec.WRITE_SECTORS_EXT: this.#move('pio-out', true, spec.SECTOR); break
      case spec.WRITE_MULTIPLE: this.#moveMultiple('pio-out', false); break
      case spec.WRITE_MULTIPLE_EXT: this.#moveMultiple('pio-out', true); break
      case spec.WRITE_DMA: case 0xcb: this.#move('dma-out', false, 0); break
      case spec.WRITE_DMA_EXT: this.#move('dma-out', true, 0); break
      case spec.READ_VERIFY: case 0x41: this.#verify(false); break
      case spec.READ_VERIFY_EXT: this.#verify(true); break
      case spec.SEEK: this.#verify(false); break
      case spec.DATA_SET_MANAGEMENT: this.#trim(); break
      case spec.IDENTIFY_DEVICE: this.#identify(); break
      case spec.SET_FEATURES: this.#setFeatures(); break
      case spec.SET_MULTIPLE_MODE: this.#setMultiple(); break
      case spec.INITIALIZE_DEVICE_PARAMETERS:
        if ((this.s.count & 0xff) === 0) { this.#abort(); break }
        this.s.sectors = this.s.count & 0xff
        this.s.heads = (this.s.device & 0x0f) + 1
        this.#succeed()
        break
      case spec.FLUSH_CACHE: case spec.FLUSH_CACHE_EXT: this.startFlush(); break
      case spec.READ_NATIVE_MAX: this.#reportAddress(Math.min(this.#total, 0x0fff_ffff) - 1, false); break
      case spec.READ_NATIVE_MAX_EXT: this.#reportAddress(this.#total - 1, true); break
      case spec.CHECK_POWER_MODE: this.s.count = 0xff; this.#succeed(); break
      case spec.STANDBY_IMMEDIATE: case spec.IDLE_IMMEDIATE: case spec.STANDBY: case spec.IDLE: case spec.SLEEP: this.#succeed(); break
      default:
        if (command >= 0x10 && command < 0x20) this.#succeed() // RECALIBRATE
        else this.#abort()
    }
  }

  protected offered(): void { /* nothing to announce */ }

  protected completed(kind: TransferKind): void {
    this.s.status = READY
    if (kind === 'dma-in' || kind === 'dma-out') this.s.count = 0
    // A PIO read ended with the guest's last access to the data register; everything else ends with an interrupt.
    if (kind !== 'pio-in') this.raise()
  }

  protected failed(kind: TransferKind): void {
    this.#fail(kind === 'pio-in' || kind === 'dma-in' ? spec.UNC : spec.ABRT)
  }

  protected packetReceived(): void { /* disks take no packets */ }

  /** TRIM: each 512-byte block holds 64 ranges of (LBA 47..0, length 63..48), length 0 is padding (ACS-2, 7.10). */
  protected override store(lba: number, length: number): Promise<void> | undefined {
    return this.s.kind === 'trim' ? this.#discard(this.buffer.slice(0, length)) : super.store(lba, length)
  }

  async #discard(blocks: Uint8Array): Promise<void> {
    const view = new DataView(blocks.buffer)
    for (let at = 0; at < blocks.length; at += 8) {
      const lba = view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32
      const sectors = Math.min(view.getUint16(at + 6, true), this.#total - lba)
      if (sectors > 0) await this.#backend.discard(lba * spec.SECTOR, sectors * spec.SECTOR)
    }
  }

  #succeed(): void {
    this.s.status = READY
    this.raise()
  }

  #abort(): void {
    this.#fail(spec.ABRT)
  }

  #fail(error: number): void {
    this.s.error = error
    this.s.status = READY | spec.ERR
    this.raise()
  }

  /** Number of sectors asked for; 0 means the most (ATA-7 vol. 1, 6.29 and others). */
  #count(ext: boolean): number {
    return ext ? this.s.count || 0x10000 : (this.s.count & 0xff) || 0x100
  }

  /** The address in the registers, by LBA48, LBA28 or cylinder/head/sector. -1: sector 0 or a head or sector that is not there. */
  #address(ext: boolean): number {
    const { low, mid, high, device, heads, sectors } = this.s
    const low24 = (low & 0xff) | ((mid & 0xff) << 8) | ((high & 0xff) << 16)
    if (ext) return low24 + ((low >> 8) | (mid & 0xff00) | ((high & 0xff00) << 8)) * 2 ** 24
    if (device & spec.DEVICE_LBA) return low24 + (device & 0x0f) * 2 ** 24
    const sector = low & 0xff
    const head = device & 0x0f
    if (sector === 0 || sector > sectors || head >= heads) return -1
    return (((mid & 0xff) | ((high & 0xff) << 8)) * heads + head) * sectors + sector - 1
  }

  #inRange(lba: number, count: number): boolean {
    return lba >= 0 && lba + count <= this.#total
  }

  #move(kind: TransferKind, ext: boolean, block: number): void {
    const lba = this.#address(ext)
    const count = this.#count(ext)
    if ((kind === 'pio-out' || kind === 'dma-out') && this.#backend.readOnly) this.#abort()
    else if (!this.#inRange(lba, count)) this.#fail(spec.IDNF)
    else this.startTransfer(kind, lba, count, block)
  }

  #moveMultiple(kind: TransferKind, ext: boolean): void {
    if (this.s.multiple === 0) this.#abort()
    else this.#move(kind, ext, this.s.multiple * spec.SECTOR)
  }

  #verify(ext: boolean): void {
    if (this.#inRange(this.#address(ext), this.#count(ext))) this.#succeed()
    else this.#fail(spec.IDNF)
  }

  #trim(): void {
    if (!(this.s.feature & spec.TRIM) || this.#backend.readOnly || this.s.count !== 1) this.#abort()
    else this.startTransfer('trim', 0, 1, 0)
  }

  #identify(): void {
    const { heads, sectors, multiple, transferMode, writeCache } = this.s
    this.startReply('pio-in', identifyDisk(this.#identity, { total: this.#total, heads, sectors, multiple, transferMode, writeCache }), 512)
  }

  #setFeatures(): void {
    const s = this.s
    switch (s.feature & 0xff) {
      case spec.FEATURE_TRANSFER_MODE: s.transferMode = s.count & 0xff; break
      case spec.FEATURE_WRITE_CACHE_ON: s.writeCache = true; break
      case spec.FEATURE_WRITE_CACHE_OFF:
        s.writeCache = false
        this.startFlush()
        return
      case spec.FEATURE_LOOK_AHEAD_ON: case spec.FEATURE_LOOK_AHEAD_OFF:
      case spec.FEATURE_POWER_ON_DEFAULTS_ON: case spec.FEATURE_POWER_ON_DEFAULTS_OFF: break
      default: this.#abort(); return
    }
    this.#succeed()
  }

  #setMultiple(): void {
    const count = this.s.count & 0xff
    if (count > spec.MULTIPLE_MAX || (count & (count - 1)) !== 0) {
      this.s.multiple = 0
      this.#abort()
    } else {
      this.s.multiple = count
      this.#succeed()
    }
  }

  #reportAddress(lba: number, ext: boolean): void {
    const s = this.s
    const byte = (n: number): number => Math.floor(lba / 2 ** (8 * n)) & 0xff
    s.low = byte(0) | (ext ? byte(3) << 8 : 0)
    s.mid = byte(1) | (ext ? byte(4) << 8 : 0)
    s.high = byte(2) | (ext ? byte(5) << 8 : 0)
    if (!ext) s.device = (s.device & 0xf0) | (byte(3) & 0x0f)
    this.#succeed()
  }
}

import type { BlockBackend } from '@entresol/interfaces'
import type { BusMasterChannel } from './bus-master.ts'
import * as spec from './spec.ts'
import type { DriveState, SavedDrive, TransferKind } from './state.ts'

/** What a drive needs of the channel it sits on. */
export interface DrivePort {
  readonly busMaster: BusMasterChannel
  /** The drive's interrupt has been raised. */
  interrupt(): void
}

/**
 * What disks and packet devices share: the command block's registers and the movement of data between medium, buffer and guest by PIO
 * or bus master. All of it is in `s` and `buffer`, so that an operation under way survives a snapshot.
 */
export abstract class IdeDrive {
  abstract readonly kindOfDrive: 'disk' | 'cdrom'
  protected readonly s: DriveState
  protected readonly buffer: Uint8Array = new Uint8Array(spec.CHUNK)
  protected port!: DrivePort
  readonly #signature: number
  readonly #sectorSize: number
  /** Completions of operations started under an older epoch are void. */
  #epoch = 0

  constructor(signature: number, sectorSize: number) {
    this.#signature = signature
    this.#sectorSize = sectorSize
    this.s = {
      status: 0, error: 0, feature: 0, count: 0, low: 0, mid: 0, high: 0, device: 0, irq: false, kind: 'none', stage: 'idle', lba: 0,
      remaining: 0, block: 0, position: 0, end: 0, length: 0, multiple: 0, heads: 16, sectors: 63, transferMode: 0, writeCache: true,
      packetDma: false, byteLimit: 0, sense: 0, attention: 0, trayOpen: false, locked: false, mediaEvent: 0,
    }
  }

  /** Executes the command just written. Never throws; a bad one ends in an error status. */
  protected abstract execute(command: number): void
  /** The medium, undefined when there is none. */
  protected abstract medium(): BlockBackend | undefined
  /** A DRQ block is offered (packet devices announce its direction and size). */
  protected abstract offered(): void
  /** All data has moved. */
  protected abstract completed(kind: TransferKind): void
  /** The back-end refused a load (`in`) or a store. */
  protected abstract failed(kind: TransferKind): void
  /** The twelve bytes of a packet are in the buffer. */
  protected abstract packetReceived(): void

  attach(port: DrivePort): void {
    this.port = port
  }

  get irq(): boolean {
    return this.s.irq
  }

  get status(): number {
    return this.s.status
  }

  acknowledge(): void {
    this.s.irq = false
  }

  /** A command block register other than data and status; `hob` asks for the previous value written. */
  register(offset: number, hob: boolean): number {
    const shift = hob ? 8 : 0
    switch (offset) {
      case spec.ERROR: return this.s.error
      case spec.SECTOR_COUNT: return (this.s.count >> shift) & 0xff
      case spec.LBA_LOW: return (this.s.low >> shift) & 0xff
      case spec.LBA_MID: return (this.s.mid >> shift) & 0xff
      case spec.LBA_HIGH: return (this.s.high >> shift) & 0xff
      default: return this.s.device | spec.DEVICE_OBSOLETE
    }
  }

  /** Both drives of a channel see every write; a busy one ignores it. */
  setRegister(offset: number, value: number): void {
    const s = this.s
    if (s.status & spec.BSY) return
    switch (offset) {
      case spec.FEATURES: s.feature = ((s.feature << 8) | value) & 0xffff; break
      case spec.SECTOR_COUNT: s.count = ((s.count << 8) | value) & 0xffff; break
      case spec.LBA_LOW: s.low = ((s.low << 8) | value) & 0xffff; break
      case spec.LBA_MID: s.mid = ((s.mid << 8) | value) & 0xffff; break
      case spec.LBA_HIGH: s.high = ((s.high << 8) | value) & 0xffff; break
      default: s.device = value
    }
  }

  command(value: number): void {
    const s = this.s
    if (s.status & spec.BSY && value !== spec.DEVICE_RESET) return
    this.cancel()
    s.irq = false
    s.error = 0
    this.execute(value)
  }

  /** Software reset, DEVICE RESET and diagnostics leave the signature (ATA-7 vol. 1, 9.12) and diagnostic code 01h. */
  softReset(): void {
    const s = this.s
    this.cancel()
    s.irq = false
    s.error = spec.DIAGNOSTIC_PASSED
    s.count = s.low = 1
    s.mid = this.#signature & 0xff
    s.high = this.#signature >> 8
    s.device = 0
    s.feature = 0
    s.multiple = 0
    // A packet device keeps DRDY clear until its first command.
    s.status = this.#signature === spec.SIGNATURE_ATA ? spec.DRDY | spec.DSC : 0
  }

  /** EXECUTE DEVICE DIAGNOSTIC is over; a packet device too answers it with an interrupt. */
  raiseDiagnostic(): void {
    this.raise()
  }

  /** While SRST is held. */
  holdReset(): void {
    this.cancel()
    this.s.irq = false
    this.s.status = spec.BSY
  }

  powerOn(): void {
    Object.assign(this.s, { heads: 16, sectors: 63, transferMode: 0, writeCache: true, sense: 0, trayOpen: false, locked: false, mediaEvent: 0 })
    this.softReset()
  }

  readData(): number {
    const s = this.s
    if (s.kind !== 'pio-in' || s.stage !== 'guest') return 0
    const value = this.buffer[s.position] | (s.position + 1 < s.end ? this.buffer[s.position + 1] << 8 : 0)
    s.position = Math.min(s.position + 2, s.end)
    if (s.position === s.end) this.#blockMoved()
    return value
  }

  writeData(value: number): void {
    const s = this.s
    if ((s.kind !== 'pio-out' && s.kind !== 'packet') || s.stage !== 'guest') return
    this.buffer[s.position] = value & 0xff
    if (s.position + 1 < s.end) this.buffer[s.position + 1] = value >> 8
    s.position = Math.min(s.position + 2, s.end)
    if (s.position === s.end) this.#blockMoved()
  }

  /** The bus master has been started. */
  dmaStarted(): void {
    if (this.s.stage !== 'guest') return
    if (this.s.kind === 'dma-in') this.#pushDma()
    else if (this.s.kind === 'dma-out' || this.s.kind === 'trim') this.#pullDma()
  }

  save(): SavedDrive {
    return { type: this.kindOfDrive, ...this.s, data: this.buffer.slice(0, this.s.length) }
  }

  /** Takes a state that has been checked; call when the channel's other parts are restored too. */
  restore(state: SavedDrive): void {
    this.#epoch++
    const { data, type: _, ...rest } = state
    Object.assign(this.s, rest)
    this.buffer.set(data)
    if (rest.stage !== 'backend') return
    if (rest.kind === 'pio-in' || rest.kind === 'dma-in') this.#load()
    else if (rest.kind === 'flush') this.startFlush()
    else this.#store()
  }

  protected cancel(): void {
    this.#epoch++
    this.s.kind = 'none'
    this.s.stage = 'idle'
    this.s.remaining = this.s.position = this.s.end = this.s.length = 0
  }

  protected raise(): void {
    this.s.irq = true
    this.port.interrupt()
  }

  /** Moves `sectors` sectors of the medium from `lba` on, in DRQ blocks of `block` bytes when by PIO. */
  protected startTransfer(kind: TransferKind, lba: number, sectors: number, block: number): void {
    Object.assign(this.s, { kind, lba, remaining: sectors, block, position: 0, end: 0, length: 0 })
    this.s.status = spec.BSY | spec.DRDY
    if (kind === 'pio-in' || kind === 'dma-in') this.#load()
    else if (kind === 'pio-out') this.#offerOut(false)
    else this.#gather()
  }

  /** Sends `data` (at most CHUNK bytes) that is not on the medium: identity blocks, packet replies. */
  protected startReply(kind: 'pio-in' | 'dma-in', data: Uint8Array, block: number): void {
    this.buffer.set(data)
    Object.assign(this.s, { kind, remaining: 0, block, position: 0, end: 0, length: data.length })
    this.s.status = spec.BSY | spec.DRDY
    this.#loaded()
  }

  /** Takes `length` bytes by PIO as a packet. */
  protected startPacket(length: number): void {
    Object.assign(this.s, { kind: 'packet', remaining: 0, block: length, position: 0, end: length, length })
    this.#offer(false)
  }

  protected startFlush(): void {
    this.s.kind = 'flush'
    this.#backend(this.medium()?.flush(), () => this.#done())
  }

  /** Writes the buffer's `length` bytes at sector `lba`; overridden for what is not a plain write. */
  protected store(lba: number, length: number): Promise<void> | undefined {
    return this.medium()?.write(lba * this.#sectorSize, this.buffer.subarray(0, length))
  }

  #backend(operation: Promise<void> | undefined, then: () => void): void {
    const epoch = ++this.#epoch
    this.s.stage = 'backend'
    this.s.status = spec.BSY | spec.DRDY
    const fail = (): void => {
      if (epoch !== this.#epoch) return
      const kind = this.s.kind
      this.cancel()
      this.failed(kind)
    }
    if (operation) operation.then(() => { if (epoch === this.#epoch) then() }, fail)
    else fail()
  }

  #load(): void {
    const s = this.s
    const sectors = Math.min(s.remaining, spec.CHUNK / this.#sectorSize)
    const length = sectors * this.#sectorSize
    s.position = s.end = s.length = 0
    this.#backend(this.medium()?.read(s.lba * this.#sectorSize, this.buffer.subarray(0, length)), () => {
      s.lba += sectors
      s.remaining -= sectors
      s.length = length
      this.#loaded()
    })
  }

  #loaded(): void {
    if (this.s.kind === 'dma-in') this.#pushDma()
    else this.#nextBlock()
  }

  #nextBlock(): void {
    const s = this.s
    s.end = Math.min(s.position + s.block, s.length)
    this.#offer(true)
  }

  #offer(interrupt: boolean): void {
    this.s.stage = 'guest'
    this.s.status = spec.DRDY | spec.DSC | spec.DRQ
    this.offered()
    if (interrupt) this.raise()
  }

  #offerOut(interrupt: boolean): void {
    const s = this.s
    s.position = 0
    s.end = s.length = Math.min(s.block, s.remaining * this.#sectorSize)
    this.#offer(interrupt)
  }

  #blockMoved(): void {
    const s = this.s
    if (s.kind === 'packet') this.packetReceived()
    else if (s.kind === 'pio-out') this.#store()
    else if (s.position < s.length) this.#nextBlock()
    else if (s.remaining > 0) this.#load()
    else this.#done()
  }

  #store(): void {
    const s = this.s
    const length = s.length
    this.#backend(this.store(s.lba, length), () => {
      const sectors = length / this.#sectorSize
      s.lba += sectors
      s.remaining -= sectors
      if (s.remaining <= 0) this.#done()
      else if (s.kind === 'pio-out') this.#offerOut(true)
      else this.#gather()
    })
  }

  #gather(): void {
    const s = this.s
    s.position = 0
    s.end = s.length = Math.min(spec.CHUNK, s.remaining * this.#sectorSize)
    this.#pullDma()
  }

  #pullDma(): void {
    const s = this.s
    this.#requestDma()
    s.position += this.port.busMaster.fromMemory(this.buffer, s.position, s.length)
    if (s.position === s.length) this.#store()
  }

  /** DMARQ: the drive waits for the bus master with DRQ set and BSY clear (ATA-7 vol. 2, DMA command protocol). */
  #requestDma(): void {
    this.s.stage = 'guest'
    this.s.status = spec.DRDY | spec.DSC | spec.DRQ
  }

  #pushDma(): void {
    const s = this.s
    this.#requestDma()
    s.end = s.length
    s.position += this.port.busMaster.toMemory(this.buffer, s.position, s.length)
    if (s.position < s.length) return
    if (s.remaining > 0) this.#load()
    else this.#done()
  }

  #done(): void {
    const kind = this.s.kind
    this.cancel()
    if (kind === 'dma-in' || kind === 'dma-out' || kind === 'trim') this.port.busMaster.finish()
    this.completed(kind)
  }
}

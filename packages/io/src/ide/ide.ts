import type { BlockBackend, BusDevice, GuestMemory, InterruptLine, Resettable, Snapshotable } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { ByteRegisters } from '../device/byte-registers.ts'
import { AtaDisk } from './ata-disk.ts'
import { AtapiCdrom } from './atapi-cdrom.ts'
import { IdeChannel } from './channel.ts'
import type { IdeDrive } from './drive.ts'
import { BM_CHANNEL_SIZE } from './spec.ts'
import { checkIdeState, IDE_STATE_VERSION } from './state.ts'
import type { IdeState } from './state.ts'

export type IdeDriveOptions = { readonly model?: string; readonly serial?: string; readonly firmware?: string } & (
  | { readonly kind: 'disk'; readonly backend: BlockBackend }
  /** Without a backend the drive is empty. */
  | { readonly kind: 'cdrom'; readonly backend?: BlockBackend }
)

export interface IdeOptions {
  /** Primary master, primary slave, secondary master, secondary slave; undefined where nothing is attached. */
  readonly drives: readonly (IdeDriveOptions | undefined)[]
  /** IRQ14 and IRQ15. */
  readonly lines: readonly [InterruptLine, InterruptLine]
  /** For the bus master. */
  readonly memory: GuestMemory
}

/** A PIIX3-compatible IDE controller: two channels of two drives with a bus master. */
export class IdeController implements Resettable, Snapshotable<IdeState> {
  readonly snapshotVersion: number = IDE_STATE_VERSION
  /** Primary and secondary channel: map commandBlock at 1F0h/170h and controlBlock at 3F6h/376h. */
  readonly channels: readonly [IdeChannel, IdeChannel]
  /** Sixteen ports, where BAR 4 of the PCI function says. */
  readonly busMaster: BusDevice

  constructor(options: IdeOptions) {
    const drives = [0, 1, 2, 3].map((slot) => makeDrive(options.drives[slot], slot))
    this.channels = [
      new IdeChannel('ide-primary', [drives[0], drives[1]], options.lines[0], options.memory),
      new IdeChannel('ide-secondary', [drives[2], drives[3]], options.lines[1], options.memory),
    ]
    this.busMaster = new ByteRegisters(
      'ide-bus-master', 2 * BM_CHANNEL_SIZE,
      (offset) => this.channels[offset >> 3 & 1].busMaster.readByte(offset & 7),
      (offset, value) => this.channels[offset >> 3 & 1].busMaster.writeByte(offset & 7, value),
    )
    this.reset()
  }

  /** Changes the disc of the CD-ROM drive in `slot` (0..3); undefined empties it. Throws `not-removable`. */
  setMedium(slot: number, backend: BlockBackend | undefined): void {
    this.#cdrom(slot).setMedium(backend)
  }

  /** Presses the eject button of the CD-ROM drive in `slot`. Throws `not-removable`. */
  pressEject(slot: number): void {
    this.#cdrom(slot).pressEject()
  }

  reset(): void {
    for (const channel of this.channels) channel.reset()
  }

  /** Operations that wait for a back-end are saved as such and started again by `restore`. */
  save(): IdeState {
    return { channels: [this.channels[0].save(), this.channels[1].save()] }
  }

  restore(state: IdeState): void {
    const s = checkIdeState(state, 'ide')
    s.channels.forEach((channel, c) => channel.drives.forEach((drive, d) => {
      if (drive?.type !== this.channels[c].drives[d]?.kindOfDrive) {
        throw new CodedError('bad-snapshot', `saved state: ide slot ${c * 2 + d} does not match the drives attached`)
      }
    }))
    s.channels.forEach((channel, c) => this.channels[c].restore(channel))
  }

  #cdrom(slot: number): AtapiCdrom {
    const drive = this.channels[slot >> 1 & 1].drives[slot & 1]
    if (!(drive instanceof AtapiCdrom) || slot < 0 || slot > 3) throw new CodedError('not-removable', `ide slot ${slot} has no CD-ROM drive`)
    return drive
  }
}

function makeDrive(options: IdeDriveOptions | undefined, slot: number): IdeDrive | undefined {
  if (!options) return undefined
  const identity = {
    model: options.model ?? (options.kind === 'disk' ? 'ENTRESOL HARDDISK' : 'ENTRESOL DVD-ROM'),
    serial: options.serial ?? `ES${String(slot + 1).padStart(5, '0')}`,
    firmware: options.firmware ?? '1.0',
  }
  return options.kind === 'disk' ? new AtaDisk(options.backend, identity) : new AtapiCdrom(options.backend, identity)
}

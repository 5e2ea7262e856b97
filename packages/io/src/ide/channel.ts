import type { AccessSize, BusDevice, GuestMemory, InterruptLine, IoFault } from '@entresol/interfaces'
import { ByteRegisters } from '../device/byte-registers.ts'
import { BusMasterChannel } from './bus-master.ts'
import type { IdeDrive } from './drive.ts'
import * as spec from './spec.ts'
import type { ChannelState } from './state.ts'

/** One IDE channel: the registers two drives share, their interrupt wire and their bus master. */
export class IdeChannel {
  /** Eight ports: 1F0h or 170h. */
  readonly commandBlock: BusDevice
  /** One port: device control and alternate status, 3F6h or 376h. */
  readonly controlBlock: BusDevice
  readonly busMaster: BusMasterChannel
  readonly drives: readonly [IdeDrive | undefined, IdeDrive | undefined]
  readonly #line: InterruptLine
  #control = 0
  #selected = 0

  constructor(name: string, drives: readonly [IdeDrive | undefined, IdeDrive | undefined], line: InterruptLine, memory: GuestMemory) {
    this.drives = drives
    this.#line = line
    this.busMaster = new BusMasterChannel(memory, () => {
      for (const drive of drives) drive?.dmaStarted()
    })
    for (const drive of drives) {
      drive?.attach({
        busMaster: this.busMaster,
        interrupt: () => {
          this.busMaster.interrupt()
          this.#update()
        },
      })
    }
    const registers = new ByteRegisters(name, 8, (offset) => this.#read(offset), (offset, value) => this.#write(offset, value))
    this.commandBlock = {
      name, length: 8,
      read: (offset, size) => (offset === spec.DATA ? this.#readData(size) : registers.read(offset, size)),
      write: (offset, size, value) => (offset === spec.DATA ? this.#writeData(size, value) : registers.write(offset, size, value)),
    }
    this.controlBlock = new ByteRegisters(`${name}-control`, 1, () => this.#status(), (_, value) => this.#writeControl(value))
  }

  reset(): void {
    this.#control = 0
    this.#selected = 0
    this.busMaster.reset()
    for (const drive of this.drives) drive?.powerOn()
    this.#update()
  }

  save(): ChannelState {
    return {
      control: this.#control, selected: this.#selected, busMaster: this.busMaster.save(),
      drives: [this.drives[0]?.save() ?? null, this.drives[1]?.save() ?? null],
    }
  }

  /** Takes a state that has been checked and whose drives match. */
  restore(state: ChannelState): void {
    this.#control = state.control
    this.#selected = state.selected
    this.busMaster.restore(state.busMaster)
    state.drives.forEach((saved, i) => { if (saved) this.drives[i]?.restore(saved) })
    this.#update()
  }

  /** The drive that answers: the selected one, or device 0 in place of an absent device 1 (ATA-7 vol. 1, 9.16). */
  #responder(): IdeDrive | undefined {
    return this.drives[this.#selected] ?? this.drives[0]
  }

  #status(): number {
    const drive = this.drives[this.#selected]
    if (drive) return drive.status
    return this.drives[0] || this.drives[1] ? 0 : spec.FLOATING
  }

  #read(offset: number): number {
    if (offset === spec.STATUS) {
      const value = this.#status()
      this.drives[this.#selected]?.acknowledge()
      this.#update()
      return value
    }
    if (offset === spec.DATA) return 0
    const responder = this.#responder()
    if (!responder) return spec.FLOATING
    // What device 0 shows for an absent device 1 has the select bit that was written.
    return responder.register(offset, (this.#control & spec.CONTROL_HOB) !== 0)
  }

  #write(offset: number, value: number): void {
    this.#control &= ~spec.CONTROL_HOB
    if (offset === spec.COMMAND) {
      this.#command(value)
      return
    }
    if (offset === spec.DATA) return
    for (const drive of this.drives) drive?.setRegister(offset, value)
    if (offset === spec.DEVICE) {
      this.#selected = value & spec.DEVICE_DEV ? 1 : 0
      this.#update()
    }
  }

  #command(value: number): void {
    if (this.#control & spec.CONTROL_SRST) return
    if (value === spec.EXECUTE_DEVICE_DIAGNOSTIC) {
      // Both devices run it; device 0 reports (ATA-7 vol. 1, 6.9).
      for (const drive of this.drives) drive?.softReset()
      this.#selected = 0
      if (this.drives[0]) this.drives[0].raiseDiagnostic()
      return
    }
    this.drives[this.#selected]?.command(value)
    this.#update()
  }

  #writeControl(value: number): void {
    const held = this.#control & spec.CONTROL_SRST
    this.#control = value & (spec.CONTROL_NIEN | spec.CONTROL_SRST | spec.CONTROL_HOB)
    if (value & spec.CONTROL_SRST) for (const drive of this.drives) drive?.holdReset()
    else if (held) {
      this.#selected = 0
      for (const drive of this.drives) drive?.softReset()
    }
    this.#update()
  }

  #readData(size: AccessSize): number | IoFault {
    const drive = this.drives[this.#selected]
    if (size === 1) return 'bad-size'
    if (!drive) return 0
    const low = drive.readData()
    return size === 2 ? low : low + drive.readData() * 0x10000
  }

  #writeData(size: AccessSize, value: number): IoFault | undefined {
    const drive = this.drives[this.#selected]
    if (size === 1) return 'bad-size'
    drive?.writeData(value & 0xffff)
    if (size === 4) drive?.writeData(value >>> 16)
    return undefined
  }

  #update(): void {
    const asserted = this.drives[this.#selected]?.irq ?? false
    this.#line.set(asserted && !(this.#control & spec.CONTROL_NIEN))
  }
}

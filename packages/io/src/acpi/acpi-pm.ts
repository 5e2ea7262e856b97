import type { AccessSize, BusDevice, Clock, InterruptLine, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { Alarm } from '../core/alarm.ts'
import * as spec from './spec.ts'
import { ACPI_PM_STATE_VERSION, type AcpiPmState, checkAcpiPmState } from './state.ts'

export interface AcpiPmOptions {
  readonly clock: Clock
  /** System control interrupt, level: ISA IRQ 9. */
  readonly sci: InterruptLine
  /** Software asked for S5. */
  readonly onPowerOff: () => void
  /** Width of the PM timer; the PIIX4 has 24 bits. */
  readonly timerBits?: 24 | 32
}

/** ACPI fixed hardware: PM1 event and control, PM timer, one block of 16 general purpose events, in the PIIX4's layout. */
export class AcpiPm implements BusDevice, Snapshotable<AcpiPmState>, Resettable {
  readonly name: string = 'acpi-pm'
  readonly length: number = spec.PM_IO_LENGTH
  readonly snapshotVersion: number = ACPI_PM_STATE_VERSION
  readonly timerBits: 24 | 32
  readonly #clock: Clock
  readonly #sci: InterruptLine
  readonly #onPowerOff: () => void
  readonly #alarm: Alarm
  readonly #stored = new Uint8Array(spec.PM_IO_LENGTH - spec.PM_STORED)
  #status = 0
  #enable = 0
  #control = 0
  #gpeStatus = 0
  #gpeEnable = 0
  #toggles = 0

  constructor(options: AcpiPmOptions) {
    this.timerBits = options.timerBits ?? 24
    this.#clock = options.clock
    this.#sci = options.sci
    this.#onPowerOff = options.onPowerOff
    this.#alarm = new Alarm(options.clock, () => this.#update())
  }

  read(offset: number, size: AccessSize): number | IoFault {
    const timer = this.#ticks()
    let value = 0
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.#readByte(offset + index, timer)
    return value
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    for (let index = 0; index < size; index++) this.#writeByte(offset + index, (value >>> (8 * index)) & 0xff)
    this.#update()
    return undefined
  }

  /** The power button was pressed: systems that listen shut down. False when this one does not listen. */
  pressPowerButton(): boolean {
    this.#status |= spec.PM1_POWER_BUTTON
    this.#update()
    return (this.#enable & spec.PM1_POWER_BUTTON) !== 0 && (this.#control & spec.PM1_SCI_ENABLE) !== 0
  }

  /** Sets general purpose event `bit` (0..15); software clears it. */
  raiseGpe(bit: number): void {
    this.#gpeStatus |= 1 << bit
    this.#update()
  }

  /** What SMI_CMD does on a PC: SCI_EN follows. */
  setAcpiMode(on: boolean): void {
    this.#control = on ? this.#control | spec.PM1_SCI_ENABLE : this.#control & ~spec.PM1_SCI_ENABLE
    this.#update()
  }

  reset(): void {
    this.#status = 0
    this.#enable = 0
    this.#control = 0
    this.#gpeStatus = 0
    this.#gpeEnable = 0
    this.#toggles = this.#togglesNow()
    this.#stored.fill(0)
    this.#update()
  }

  save(): AcpiPmState {
    return {
      status: this.#status, enable: this.#enable, control: this.#control, gpeStatus: this.#gpeStatus, gpeEnable: this.#gpeEnable,
      toggles: this.#toggles, stored: this.#stored.slice()
    }
  }

  restore(state: AcpiPmState): void {
    const checked = checkAcpiPmState(state, this.name)
    this.#status = checked.status & spec.PM1_STATUS_BITS
    this.#enable = checked.enable & spec.PM1_ENABLE_BITS
    this.#control = checked.control & spec.PM1_CONTROL_BITS
    this.#gpeStatus = checked.gpeStatus
    this.#gpeEnable = checked.gpeEnable
    this.#toggles = checked.toggles
    this.#stored.set(checked.stored)
    this.#update()
  }

  #ticks(): number {
    return Math.floor((this.#clock.now() * spec.PM_TIMER_NUMERATOR) / spec.PM_TIMER_DENOMINATOR)
  }

  #togglesNow(): number {
    return Math.floor(this.#ticks() / 2 ** (this.timerBits - 1))
  }

  #readByte(offset: number, ticks: number): number {
    const shift = (offset & 1) << 3
    switch (offset & ~1) {
      case spec.PM1_STATUS:
        this.#update()
        return (this.#status >> shift) & 0xff
      case spec.PM1_ENABLE: return (this.#enable >> shift) & 0xff
      case spec.PM1_CONTROL: return (this.#control >> shift) & 0xff
      case spec.PM_TIMER: case spec.PM_TIMER + 2:
        return Math.floor((ticks % 2 ** this.timerBits) / 2 ** (8 * (offset & 3))) & 0xff
      case spec.GPE0_STATUS: return (this.#gpeStatus >> shift) & 0xff
      case spec.GPE0_ENABLE: return (this.#gpeEnable >> shift) & 0xff
    }
    return offset >= spec.PM_STORED ? this.#stored[offset - spec.PM_STORED] : 0
  }

  #writeByte(offset: number, value: number): void {
    const shift = (offset & 1) << 3
    const bits = value << shift
    const other = 0xff << (8 - shift)
    switch (offset & ~1) {
      case spec.PM1_STATUS:
        this.#status &= ~bits
        if ((bits & spec.PM1_TIMER) !== 0) this.#toggles = this.#togglesNow()
        break
      case spec.PM1_ENABLE: this.#enable = ((this.#enable & other) | bits) & spec.PM1_ENABLE_BITS; break
      case spec.PM1_CONTROL:
        this.#control = ((this.#control & other) | bits) & spec.PM1_CONTROL_BITS
        if ((bits & spec.PM1_SLEEP_ENABLE) !== 0 && (this.#control & spec.PM1_SLEEP_TYPE) >> spec.PM1_SLEEP_TYPE_SHIFT === spec.SLEEP_TYPE_S5) this.#onPowerOff()
        break
      case spec.GPE0_STATUS: this.#gpeStatus &= ~bits; break
      case spec.GPE0_ENABLE: this.#gpeEnable = (this.#gpeEnable & other) | bits; break
      default: if (offset >= spec.PM_STORED) this.#stored[offset - spec.PM_STORED] = value
    }
  }

  /** Takes the timer's carries into the status, drives SCI, and sets an alarm when the next carry is wanted. */
  #update(): void {
    const toggles = this.#togglesNow()
    if (toggles !== this.#toggles) this.#status |= spec.PM1_TIMER
    const events = (this.#status & this.#enable) !== 0 || (this.#gpeStatus & this.#gpeEnable) !== 0
    this.#sci.set(events && (this.#control & spec.PM1_SCI_ENABLE) !== 0)
    if ((this.#enable & spec.PM1_TIMER) === 0 || (this.#status & spec.PM1_TIMER) !== 0) this.#alarm.cancel()
    else {
      const ticks = (toggles + 1) * 2 ** (this.timerBits - 1)
      const deadline = Math.ceil((ticks * spec.PM_TIMER_DENOMINATOR) / spec.PM_TIMER_NUMERATOR)
      this.#alarm.set(Math.max(deadline, this.#clock.now() + 1000))
    }
  }
}

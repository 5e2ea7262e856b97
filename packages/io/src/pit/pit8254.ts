import type { AccessSize, BusDevice, Clock, InterruptLine, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { Alarm, MINIMUM_EVENT_SPACING } from '../core/alarm.ts'
import { ByteRegisters } from '../device/byte-registers.ts'
import { newPitChannel, PitChannel } from './pit-channel.ts'
import * as spec from './spec.ts'
import { checkPitState, PIT_STATE_VERSION, type PitState } from './state.ts'

/**
 * The 8254 of a PC: channel 0 drives IRQ 0, channel 2 the speaker through port 61h. Channel 0's OUT is followed at its rising edges
 * only: the wire falls just before it rises again, which no edge-triggered controller can tell from the real wave.
 */
export class Pit8254 implements BusDevice, Snapshotable<PitState>, Resettable {
  readonly name: string = 'pit'
  readonly length: number = 4
  readonly snapshotVersion: number = PIT_STATE_VERSION
  readonly #clock: Clock
  readonly #irq0: InterruptLine
  readonly #alarm: Alarm
  readonly #ports: ByteRegisters
  /** Clock of the rising edge the alarm is set for. */
  #target = -1
  /** GATE of channels 0 and 1 is tied high, channel 2's is a bit of port 61h. */
  readonly #channels: readonly PitChannel[] = [new PitChannel(true), new PitChannel(true), new PitChannel(false)]

  constructor(clock: Clock, irq0: InterruptLine) {
    this.#clock = clock
    this.#irq0 = irq0
    this.#alarm = new Alarm(clock, () => this.#rise())
    this.#ports = new ByteRegisters(this.name, 4, (offset) => this.#read(offset), (offset, value) => this.#write(offset, value))
  }

  read(offset: number, size: AccessSize): number | IoFault {
    return this.#ports.read(offset, size)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    return this.#ports.write(offset, size, value)
  }

  /** GATE of channel 2 (port 61h bit 0). */
  setGate2(gate: boolean): void {
    this.#channels[2].setGate(gate, this.#now())
  }

  /** OUT of channel 2 (port 61h bit 5). */
  get out2(): boolean {
    return this.#channels[2].out(this.#now())
  }

  /** Frequency in Hz of channel 2's square wave, 0 when it makes none. */
  get tone(): number {
    const { mode, count, start } = this.#channels[2].s
    return mode === 3 && start >= 0 && count > 0 ? spec.PIT_FREQUENCY / count : 0
  }

  reset(): void {
    for (const [index, channel] of this.#channels.entries()) channel.s = newPitChannel(index < 2)
    this.#alarm.cancel()
    this.#irq0.set(false)
  }

  save(): PitState {
    return { channels: this.#channels.map((channel) => ({ ...channel.s })) }
  }

  restore(state: PitState): void {
    const checked = checkPitState(state, this.name)
    for (const [index, channel] of this.#channels.entries()) channel.s = checked.channels[index]
    this.#irq0.set(this.#channels[0].s.count !== 0 && this.#channels[0].out(this.#now()))
    this.#arm()
  }

  #now(): number {
    return Math.floor((this.#clock.now() * spec.PIT_CLOCKS_NUMERATOR) / spec.PIT_NANOSECONDS_DENOMINATOR)
  }

  #read(offset: number): number {
    // The control word cannot be read.
    return offset === spec.PIT_CONTROL ? 0xff : this.#channels[offset].read(this.#now())
  }

  #write(offset: number, value: number): void {
    const now = this.#now()
    if (offset !== spec.PIT_CONTROL) {
      this.#channels[offset].write(value, now)
      if (offset === 0) this.#changed(now)
      return
    }
    const select = value >> spec.CONTROL_CHANNEL_SHIFT
    if (select === spec.CONTROL_READ_BACK) {
      for (const [index, channel] of this.#channels.entries()) {
        if ((value & (2 << index)) === 0) continue
        if ((value & spec.READ_BACK_NO_COUNT) === 0) channel.latchCount(now)
        if ((value & spec.READ_BACK_NO_STATUS) === 0) channel.latchStatus(now)
      }
    } else if (((value >> spec.CONTROL_ACCESS_SHIFT) & 3) === spec.ACCESS_LATCH) this.#channels[select].latchCount(now)
    else {
      this.#channels[select].control(value)
      if (select === 0) this.#changed(now)
    }
  }

  #changed(now: number): void {
    this.#irq0.set(this.#channels[0].out(now))
    this.#arm()
  }

  #arm(from: number = this.#now()): void {
    const rise = this.#channels[0].nextRise(from)
    this.#target = rise
    if (rise < 0) {
      this.#alarm.cancel()
      return
    }
    const deadline = Math.ceil((rise * spec.PIT_NANOSECONDS_DENOMINATOR) / spec.PIT_CLOCKS_NUMERATOR)
    this.#alarm.set(Math.max(deadline, this.#clock.now() + MINIMUM_EVENT_SPACING))
  }

  #rise(): void {
    this.#irq0.set(false)
    this.#irq0.set(true)
    // Never the same edge twice, whatever rounding says.
    this.#arm(Math.max(this.#now(), this.#target))
  }
}

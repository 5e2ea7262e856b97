import type { AccessSize, BusDevice, Clock, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { type Check, record, u8 } from '../device/saved-state.ts'
import * as spec from './spec.ts'

/** What port 61h needs of the PIT: channel 2. */
export interface SpeakerTimer {
  setGate2(gate: boolean): void
  readonly out2: boolean
  /** Frequency in Hz of the square wave, 0 without. */
  readonly tone: number
}

export interface SpeakerState {
  control: number
}

const checkState: Check<SpeakerState> = record<SpeakerState>({ control: u8 })

/** Port 61h: gate and output of PIT channel 2, the refresh toggle and the speaker's enable. */
export class SpeakerPort implements BusDevice, Snapshotable<SpeakerState>, Resettable {
  readonly name: string = 'speaker'
  readonly length: number = 1
  readonly snapshotVersion: number = 1
  readonly #timer: SpeakerTimer
  readonly #clock: Clock
  readonly #onTone: ((frequency: number) => void) | undefined
  #control = 0

  /** `onTone` hears the frequency in Hz when software switches the speaker on, and 0 for off. */
  constructor(timer: SpeakerTimer, clock: Clock, onTone?: (frequency: number) => void) {
    this.#timer = timer
    this.#clock = clock
    this.#onTone = onTone
  }

  read(_offset: number, _size: AccessSize): number | IoFault {
    const refresh = Math.floor(this.#clock.now() / spec.REFRESH_NANOSECONDS) % 2 === 1 ? spec.SPEAKER_REFRESH : 0
    return this.#control | refresh | (this.#timer.out2 ? spec.SPEAKER_OUT2 : 0)
  }

  write(_offset: number, _size: AccessSize, value: number): IoFault | undefined {
    this.#apply(value & spec.SPEAKER_WRITABLE)
    return undefined
  }

  reset(): void {
    this.#apply(0)
  }

  save(): SpeakerState {
    return { control: this.#control }
  }

  /** The gate's effect is in the PIT's own state. */
  restore(state: SpeakerState): void {
    this.#control = checkState(state, this.name).control & spec.SPEAKER_WRITABLE
  }

  #apply(control: number): void {
    const on = spec.SPEAKER_GATE | spec.SPEAKER_DATA
    const was = (this.#control & on) === on
    this.#control = control
    this.#timer.setGate2((control & spec.SPEAKER_GATE) !== 0)
    const sounds = (control & on) === on
    if (sounds !== was) this.#onTone?.(sounds ? this.#timer.tone : 0)
  }
}

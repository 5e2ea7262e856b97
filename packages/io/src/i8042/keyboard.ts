import type { Clock, Timer } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { KEYS, keySequence, MODIFIERS } from './keys.ts'
import * as spec from './spec.ts'
import type { Ps2KeyboardState } from './state.ts'

function defaults(): Ps2KeyboardState {
  return {
    scanSet: 2, scanning: true, leds: 0, typematic: spec.TYPEMATIC_DEFAULT, allBreak: false, command: 0, replies: [], events: [],
    lastSent: 0, held: [], repeating: '', repeatAt: -1,
  }
}

/** An MF2 keyboard on the controller's first port: scan code sets 1 to 3, typematic repeat, LEDs. */
export class Ps2Keyboard {
  readonly #clock: Clock
  readonly #onOutput: () => void
  #s: Ps2KeyboardState = defaults()
  #timer: Timer | undefined

  constructor(clock: Clock, onOutput: () => void) {
    this.#clock = clock
    this.#onOutput = onOutput
  }

  /** Bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock. */
  get leds(): number {
    return this.#s.leds
  }

  /**
   * The host presses or releases a key, by QEMU key name (`a`, `ret`, `shift`, `kp_5`, ...; see KEY_NAMES). Pressing a held key again
   * is ignored: the keyboard repeats by itself. False when the key was not taken (queue full, scanning disabled by the guest, no
   * change). Throws `unknown-key` for a name that is not one.
   */
  key(name: string, down: boolean): boolean {
    if (!Object.hasOwn(KEYS, name)) throw new CodedError('unknown-key', `no key is named '${name}'`)
    const s = this.#s
    const index = s.held.indexOf(name)
    if (down === index >= 0) return false
    if (down) {
      if (!s.scanning || s.events.length >= spec.KEYBOARD_QUEUE_LIMIT) return false
      s.held.push(name)
    } else s.held.splice(index, 1)
    if (s.scanning) this.#emit(name, down)
    if (down && name !== 'pause' && !MODIFIERS.has(name)) this.#repeatFrom(name, (((s.typematic >> 5) & 3) + 1) * 250_000_000)
    else if (!down && s.repeating === name) this.#stopRepeat()
    this.#onOutput()
    return true
  }

  hasOutput(): boolean {
    return this.#s.replies.length > 0 || this.#s.events.length > 0
  }

  take(): number {
    const value = this.#s.replies.shift() ?? this.#s.events.shift() ?? 0
    this.#s.lastSent = value
    return value
  }

  /** A byte from the host interface. A new command withdraws unread replies to the last one. */
  command(byte: number): void {
    const s = this.#s
    s.replies = []
    const pending = s.command
    s.command = 0
    if (pending !== 0 && byte < spec.KEYBOARD_LEDS) this.#parameter(pending, byte)
    else this.#execute(byte)
    this.#onOutput()
  }

  reset(): void {
    this.#stopRepeat()
    this.#s = defaults()
  }

  save(): Ps2KeyboardState {
    return structuredClone(this.#s)
  }

  /** Takes a state that has been checked. */
  restore(state: Ps2KeyboardState): void {
    this.#stopRepeat()
    this.#s = state
    if (state.repeating !== '') this.#schedule()
  }

  #execute(byte: number): void {
    const s = this.#s
    switch (byte) {
      case spec.KEYBOARD_ECHO: s.replies.push(spec.ECHO); return
      case spec.DEVICE_RESEND: s.replies.push(s.lastSent); return
      case spec.KEYBOARD_LEDS: case spec.KEYBOARD_SCAN_SET: case spec.KEYBOARD_TYPEMATIC:
      case 0xfb: case 0xfc: case 0xfd: s.command = byte; break
      case spec.DEVICE_IDENTIFY: s.replies.push(spec.ACK, ...spec.KEYBOARD_ID); return
      case spec.DEVICE_ENABLE: s.scanning = true; s.events = []; break
      case spec.DEVICE_DISABLE: this.#defaults(); s.scanning = false; break
      case spec.DEVICE_DEFAULTS: this.#defaults(); break
      case 0xf7: s.allBreak = false; break // set 3: all keys typematic
      case 0xf8: case 0xf9: case 0xfa: s.allBreak = byte !== 0xf9; break // make/break, make only, typematic/make/break
      case spec.DEVICE_RESET: {
        const held = s.held
        this.reset()
        this.#s.held = held
        this.#s.replies.push(spec.ACK, spec.BAT_PASSED)
        return
      }
      default: s.replies.push(spec.RESEND); return
    }
    s.replies.push(spec.ACK)
  }

  #parameter(command: number, value: number): void {
    const s = this.#s
    switch (command) {
      case spec.KEYBOARD_LEDS: s.leds = value & 7; break
      case spec.KEYBOARD_TYPEMATIC: s.typematic = value & 0x7f; break
      case spec.KEYBOARD_SCAN_SET:
        if (value > 3) { s.replies.push(spec.RESEND); return }
        if (value === 0) { s.replies.push(spec.ACK, s.scanSet); return }
        s.scanSet = value
        s.events = []
        break
      default: s.command = command // FB-FD take keys until the next command; single key types are not kept
    }
    s.replies.push(spec.ACK)
  }

  #defaults(): void {
    this.#stopRepeat()
    Object.assign(this.#s, { scanSet: 2, typematic: spec.TYPEMATIC_DEFAULT, allBreak: false, events: [] })
  }

  #emit(name: string, down: boolean): void {
    const s = this.#s
    if (s.scanSet === 3 && !down && !s.allBreak && !MODIFIERS.has(name)) return
    const codes = keySequence(name, down, s.scanSet, s.held.includes('ctrl') || s.held.includes('ctrl_r'))
    if (s.events.length + codes.length <= spec.QUEUE_MAX) s.events.push(...codes)
  }

  #repeatFrom(name: string, delay: number): void {
    this.#stopRepeat()
    this.#s.repeating = name
    this.#s.repeatAt = this.#clock.now() + delay
    this.#schedule()
  }

  #stopRepeat(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#s.repeating = ''
    this.#s.repeatAt = -1
  }

  #schedule(): void {
    this.#timer = this.#clock.schedule(this.#s.repeatAt, () => {
      const s = this.#s
      // A guest that does not read gets no backlog of repeats.
      if (s.scanning && s.events.length === 0) this.#emit(s.repeating, true)
      // Period (8 + A) × 2^B × 4.17 ms.
      const period = (8 + (s.typematic & 7)) * (1 << ((s.typematic >> 3) & 3)) * 4_170_000
      this.#repeatFrom(s.repeating, period)
      this.#onOutput()
    })
  }
}

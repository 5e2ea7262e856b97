import { bool, bytes, deadline, integer, list, oneOf, record, text, u8 } from '../device/saved-state.ts'
import type { Check } from '../device/saved-state.ts'
import { KEYS, KEY_NAMES } from './keys.ts'
import { MOUSE_PENDING_LIMIT, QUEUE_MAX } from './spec.ts'

export const I8042_STATE_VERSION = 1

export interface Ps2KeyboardState {
  scanSet: number
  scanning: boolean
  leds: number
  typematic: number
  /** Set 3: all keys send break codes (F8, F9 or FA was given). */
  allBreak: boolean
  /** Command waiting for its parameter, 0 when none. */
  command: number
  replies: number[]
  events: number[]
  lastSent: number
  /** Names of the keys held down. */
  held: string[]
  /** Key that repeats, '' when none, and when next (ns). */
  repeating: string
  repeatAt: number
}

export interface MouseMotion {
  dx: number
  dy: number
  dz: number
  buttons: number
}

export interface Ps2MouseState {
  id: number
  reporting: boolean
  remote: boolean
  wrap: boolean
  scaling2: boolean
  resolution: number
  rate: number
  command: number
  /** Last three sample rates set, newest last: the IntelliMouse knock. */
  knock: number[]
  replies: number[]
  packet: number[]
  lastSent: number
  buttons: number
  pending: MouseMotion[]
}

export interface I8042State {
  commandByte: number
  /** RAM bytes 1..31 at their index; byte 0 is `commandByte`. */
  ram: Uint8Array
  outputPort: number
  /** Data output buffer: its byte, whether it is full and whether it came from the auxiliary device. */
  output: number
  outputFull: boolean
  outputAux: boolean
  /** Last write went to the command port. */
  lastWasCommand: boolean
  /** Controller command waiting for its parameter at port 60h, 0 when none. */
  command: number
  /** Controller replies behind the output buffer; bit 8 marks the auxiliary side. */
  replies: number[]
  /** Translation has seen a break prefix. */
  breakSeen: boolean
  /** No device byte before this virtual time (ns). */
  nextAt: number
  keyboard: Ps2KeyboardState
  mouse: Ps2MouseState
}

const motion: Check<number> = integer(-0x7fff_ffff, 0x7fff_ffff)

const checkKeyboard: Check<Ps2KeyboardState> = record<Ps2KeyboardState>({
  scanSet: integer(1, 3), scanning: bool, leds: u8, typematic: integer(0, 0x7f), allBreak: bool, command: u8,
  replies: list(u8, 16), events: list(u8, QUEUE_MAX), lastSent: u8, held: list(oneOf(...KEY_NAMES), KEY_NAMES.length),
  repeating: (value, path) => (value !== '' && Object.hasOwn(KEYS, value as string) ? (value as string) : text(0)(value, path)),
  repeatAt: deadline,
})

const checkMouse: Check<Ps2MouseState> = record<Ps2MouseState>({
  id: oneOf(0, 3, 4), reporting: bool, remote: bool, wrap: bool, scaling2: bool, resolution: integer(0, 3), rate: u8, command: u8,
  knock: list(u8, 3), replies: list(u8, 16), packet: list(u8, 4), lastSent: u8, buttons: integer(0, 31),
  pending: list(record<MouseMotion>({ dx: motion, dy: motion, dz: motion, buttons: integer(0, 31) }), MOUSE_PENDING_LIMIT),
})

export const checkI8042State: Check<I8042State> = record<I8042State>({
  commandByte: u8, ram: bytes(32), outputPort: u8, output: u8, outputFull: bool, outputAux: bool, lastWasCommand: bool, command: u8,
  replies: list(integer(0, 0x1ff), 16), breakSeen: bool, nextAt: deadline, keyboard: checkKeyboard, mouse: checkMouse,
})

import * as spec from './spec.ts'
import type { MouseMotion, Ps2MouseState } from './state.ts'

function defaults(): Ps2MouseState {
  return {
    id: 0, reporting: false, remote: false, wrap: false, scaling2: false, resolution: spec.MOUSE_RESOLUTION_DEFAULT,
    rate: spec.MOUSE_RATE_DEFAULT, command: 0, knock: [], replies: [], packet: [], lastSent: 0, buttons: 0, pending: [],
  }
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit - 1, Math.min(limit, value))
}

/** 2:1 scaling (PS/2 Technical Reference, "Mouse", set scaling 2:1): applies to stream packets only. */
function scaled(value: number): number {
  const magnitude = Math.abs(value)
  const out = magnitude < 6 ? [0, 1, 1, 3, 6, 9][magnitude] : magnitude * 2
  return value < 0 ? -out : out
}

/** A PS/2 mouse with the IntelliMouse wheel and side-button extensions, on the controller's auxiliary port. */
export class Ps2Mouse {
  readonly #onOutput: () => void
  #s: Ps2MouseState = defaults()

  constructor(onOutput: () => void) {
    this.#onOutput = onOutput
  }

  /** The guest has asked for movement reports. */
  get reporting(): boolean {
    return this.#s.reporting
  }

  /** The host moves the mouse: counts to the right, down (screen sense) and of the wheel (positive: towards the user). */
  move(dx: number, dy: number, dz: number = 0): void {
    this.#change({ dx: Math.trunc(dx) || 0, dy: -Math.trunc(dy) || 0, dz: Math.trunc(dz) || 0, buttons: this.#s.buttons })
  }

  /** The host's buttons: bit 0 left, 1 right, 2 middle, 3 and 4 side. */
  buttons(mask: number): void {
    if ((mask & 31) === this.#s.buttons) return
    this.#s.buttons = mask & 31
    this.#change({ dx: 0, dy: 0, dz: 0, buttons: mask & 31 })
  }

  hasOutput(): boolean {
    const s = this.#s
    if (s.replies.length === 0 && s.packet.length === 0 && s.reporting && !s.remote && !s.wrap) this.#nextPacket()
    return s.replies.length > 0 || s.packet.length > 0
  }

  take(): number {
    const value = this.#s.replies.shift() ?? this.#s.packet.shift() ?? 0
    this.#s.lastSent = value
    return value
  }

  /** A byte from the host interface. It ends a packet under way and withdraws unread replies. */
  command(byte: number): void {
    const s = this.#s
    s.replies = []
    s.packet = []
    if (s.wrap && byte !== spec.DEVICE_RESET && byte !== spec.MOUSE_WRAP_OFF) s.replies.push(byte)
    else if (s.command !== 0) this.#parameter(byte)
    else this.#execute(byte)
    this.#onOutput()
  }

  reset(): void {
    this.#s = defaults()
  }

  save(): Ps2MouseState {
    return structuredClone(this.#s)
  }

  /** Takes a state that has been checked. */
  restore(state: Ps2MouseState): void {
    this.#s = state
  }

  #execute(byte: number): void {
    const s = this.#s
    switch (byte) {
      case spec.MOUSE_SCALE_1_1: s.scaling2 = false; break
      case spec.MOUSE_SCALE_2_1: s.scaling2 = true; break
      case spec.MOUSE_RESOLUTION: case spec.MOUSE_SAMPLE_RATE: s.command = byte; break
      case spec.MOUSE_STATUS: s.replies.push(spec.ACK, this.#statusByte(), s.resolution, s.rate); return
      case spec.MOUSE_STREAM: s.remote = false; break
      case spec.MOUSE_WRAP_OFF: s.wrap = false; break
      case spec.MOUSE_WRAP_ON: s.wrap = true; break
      case spec.MOUSE_REMOTE: s.remote = true; s.pending = []; break
      case spec.MOUSE_READ: {
        s.replies.push(spec.ACK, ...this.#encode(s.pending[0] ?? { dx: 0, dy: 0, dz: 0, buttons: s.buttons }, false))
        this.#dropSpent()
        return
      }
      case spec.DEVICE_IDENTIFY: s.replies.push(spec.ACK, s.id); return
      case spec.DEVICE_ENABLE: s.reporting = true; s.pending = []; break
      case spec.DEVICE_DISABLE: s.reporting = false; s.pending = []; break
      case spec.DEVICE_DEFAULTS: {
        const { id, buttons } = s
        this.#s = { ...defaults(), id, buttons }
        this.#s.replies.push(spec.ACK)
        return
      }
      case spec.DEVICE_RESEND: s.replies.push(s.lastSent); return
      case spec.DEVICE_RESET: {
        const { buttons } = s
        this.#s = { ...defaults(), buttons }
        this.#s.replies.push(spec.ACK, spec.BAT_PASSED, 0)
        return
      }
      default: s.replies.push(spec.RESEND); return
    }
    s.replies.push(spec.ACK)
  }

  #parameter(value: number): void {
    const s = this.#s
    if (s.command === spec.MOUSE_RESOLUTION) s.resolution = value & 3
    else {
      s.rate = value
      s.knock = [...s.knock, value].slice(-3)
      const knock = s.knock.join()
      if (knock === spec.KNOCK_WHEEL && s.id === 0) s.id = 3
      else if (knock === spec.KNOCK_BUTTONS) s.id = 4
    }
    s.command = 0
    s.replies.push(spec.ACK)
  }

  /** Status byte 1: remote, enabled, scaling, left, middle, right button. */
  #statusByte(): number {
    const s = this.#s
    return (s.remote ? 0x40 : 0) | (s.reporting ? 0x20 : 0) | (s.scaling2 ? 0x10 : 0)
      | (s.buttons & 1 ? 4 : 0) | (s.buttons & 4 ? 2 : 0) | (s.buttons & 2 ? 1 : 0)
  }

  #change(motion: MouseMotion): void {
    const s = this.#s
    if (!s.reporting && !s.remote) return
    const last = s.pending.at(-1)
    if (last && (last.buttons === motion.buttons || s.pending.length >= spec.MOUSE_PENDING_LIMIT)) {
      last.dx = clamp(last.dx + motion.dx, 0xffff)
      last.dy = clamp(last.dy + motion.dy, 0xffff)
      last.dz = clamp(last.dz + motion.dz, 0xffff)
      last.buttons = motion.buttons
    } else {
      s.pending.push({ ...motion, dx: clamp(motion.dx, 0xffff), dy: clamp(motion.dy, 0xffff), dz: clamp(motion.dz, 0xffff) })
    }
    this.#onOutput()
  }

  #nextPacket(): void {
    const s = this.#s
    if (s.pending.length === 0) return
    s.packet = this.#encode(s.pending[0], s.scaling2)
    this.#dropSpent()
  }

  #dropSpent(): void {
    const motion = this.#s.pending[0]
    if (motion && motion.dx === 0 && motion.dy === 0 && motion.dz === 0) this.#s.pending.shift()
  }

  /** Takes what one packet can carry (9-bit movements, 4 or 8-bit wheel) out of `motion`. */
  #encode(motion: MouseMotion, scale: boolean): number[] {
    const wide = scale ? 127 : 255
    const x = clamp(motion.dx, wide)
    const y = clamp(motion.dy, wide)
    const z = clamp(motion.dz, this.#s.id === 4 ? 7 : 127)
    motion.dx -= x
    motion.dy -= y
    motion.dz = this.#s.id === 0 ? 0 : motion.dz - z
    const [px, py] = scale ? [scaled(x), scaled(y)] : [x, y]
    const packet = [(motion.buttons & 7) | 8 | (px < 0 ? 0x10 : 0) | (py < 0 ? 0x20 : 0), px & 0xff, py & 0xff]
    if (this.#s.id === 3) packet.push(z & 0xff)
    if (this.#s.id === 4) packet.push((z & 0x0f) | ((motion.buttons & 0x18) << 1))
    return packet
  }
}

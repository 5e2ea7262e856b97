import { CodedError } from '@entresol/kit'
import * as spec from './spec.ts'
import { VirtioInput } from './virtio-input.ts'
import type { InputEvent } from './virtio-input.ts'

export type PointerButton = keyof typeof spec.BUTTONS

/** What a pointer does at once. Wheels in notches, positive is up and right. */
export interface PointerUpdate {
  readonly buttons?: Partial<Record<PointerButton, boolean>>
  readonly wheel?: number
  readonly horizontalWheel?: number
}

const buttonCodes: readonly number[] = Object.values(spec.BUTTONS)

function pointerEvents({ buttons = {}, wheel = 0, horizontalWheel = 0 }: PointerUpdate): InputEvent[] {
  const events: InputEvent[] = Object.entries(buttons).map(([button, down]) =>
    ({ type: spec.EV_KEY, code: spec.BUTTONS[button as PointerButton], value: down ? 1 : 0 }))
  if (wheel !== 0) events.push({ type: spec.EV_REL, code: spec.REL_WHEEL, value: wheel })
  if (horizontalWheel !== 0) events.push({ type: spec.EV_REL, code: spec.REL_HWHEEL, value: horizontalWheel })
  return events
}

/** A keyboard with the keys of a PC. The guest repeats held keys by itself. */
export class VirtioKeyboard extends VirtioInput {
  constructor(options: { readonly name?: string } = {}) {
    const events = new Map<number, readonly number[]>([
      [spec.EV_KEY, Object.values(spec.KEYS)], [spec.EV_LED, spec.LEDS], [spec.EV_REP, [0]],
    ])
    super({ name: options.name ?? 'virtio-keyboard', title: 'Entresol virtio keyboard', product: 1, events })
  }

  /** Presses or releases a key, by the name QEMU's monitor has for it. Throws `unknown-key`. */
  key(key: string, down: boolean): void {
    const code = Object.hasOwn(spec.KEYS, key) ? spec.KEYS[key] : undefined
    if (code === undefined) throw new CodedError('unknown-key', `no key '${key}'`)
    this.send([{ type: spec.EV_KEY, code, value: down ? 1 : 0 }])
  }
}

/** A mouse with two wheels. */
export class VirtioMouse extends VirtioInput {
  constructor(options: { readonly name?: string } = {}) {
    const events = new Map<number, readonly number[]>([
      [spec.EV_KEY, buttonCodes], [spec.EV_REL, [spec.REL_X, spec.REL_Y, spec.REL_WHEEL, spec.REL_HWHEEL]],
    ])
    super({ name: options.name ?? 'virtio-mouse', title: 'Entresol virtio mouse', product: 2, events })
  }

  /** Moves by pixels, right and down positive. */
  move(x: number, y: number, update: PointerUpdate = {}): void {
    const moved = [{ type: spec.EV_REL, code: spec.REL_X, value: x }, { type: spec.EV_REL, code: spec.REL_Y, value: y }]
    this.send([...moved.filter((event) => event.value !== 0), ...pointerEvents(update)])
  }
}

/** A pointer that says where on the screen it is. */
export class VirtioTablet extends VirtioInput {
  /** Largest coordinate on both axes. */
  static readonly MAXIMUM: number = 0x7fff

  constructor(options: { readonly name?: string } = {}) {
    const axes = new Map([[spec.ABS_X, VirtioTablet.MAXIMUM], [spec.ABS_Y, VirtioTablet.MAXIMUM]])
    const events = new Map<number, readonly number[]>([
      [spec.EV_KEY, buttonCodes], [spec.EV_REL, [spec.REL_WHEEL, spec.REL_HWHEEL]], [spec.EV_ABS, [spec.ABS_X, spec.ABS_Y]],
    ])
    super({ name: options.name ?? 'virtio-tablet', title: 'Entresol virtio tablet', product: 3, events, axes })
  }

  /** Moves to a place on the screen, 0 to MAXIMUM from left and from top. */
  moveTo(x: number, y: number, update: PointerUpdate = {}): void {
    const inside = (value: number): number => Math.min(Math.max(Math.trunc(value), 0), VirtioTablet.MAXIMUM)
    const moved = [{ type: spec.EV_ABS, code: spec.ABS_X, value: inside(x) }, { type: spec.EV_ABS, code: spec.ABS_Y, value: inside(y) }]
    this.send([...moved, ...pointerEvents(update)])
  }
}

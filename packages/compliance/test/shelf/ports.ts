import type { FrameListener, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import type { NetworkPortSubject } from '../../src/index.ts'

export const PORT_BUGS = [
  'segments-without-checksums', 'deaf', 'keeps-buffer', 'changes-frame', 'throws-for-runts', 'dies-of-garbage', 'throws-for-hints', 'drops-refused', 'repeats-refused',
  'asks-again', 'keeps-all', 'keeps-none', 'unfinished-for-all', 'first-listener', 'both-listeners', 'recursive', 'one-buffer', 'throws-unheard', 'repeats-on-resume', 'short-frames',
  'link-silent', 'link-lies', 'link-told-twice', 'carries-without-carrier',
] as const
export type PortBug = (typeof PORT_BUGS)[number]

const MAX_WAITING = 1000
const NUMBER_AT = 14

/** A port whose far end sends every frame of type 88b5 back, with its addresses exchanged. */
export class ShelfPort implements NetworkPort {
  readonly #bug: PortBug | undefined
  readonly #listeners: { listener: FrameListener; accepts: FrameOffloads }[] = []
  readonly #linkListeners: ((up: boolean) => void)[] = []
  readonly #shared = new Uint8Array(64)
  #waiting: Uint8Array[] = []
  #refused = false
  #busy = false
  #dead = false
  #last: Uint8Array | undefined
  #up = true

  constructor(bug?: PortBug) {
    this.#bug = bug
  }

  get offloads(): FrameOffloads {
    return { checksum: this.#bug !== 'segments-without-checksums', tso4: true, tso6: true, uso: true }
  }

  get linkUp(): boolean {
    return this.#up || this.#bug === 'link-lies'
  }

  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    const bug = this.#bug
    if (bug === 'throws-for-runts' && frame.length < 20) throw new RangeError('offset is out of bounds')
    if (bug === 'throws-for-hints' && !((unfinished?.checksum?.start ?? 0) >= 0)) throw new RangeError('invalid array length')
    if (frame[12] !== 0x88 || frame[13] !== 0xb5) {
      if (bug === 'dies-of-garbage') this.#dead = true
      return
    }
    if (this.#dead || bug === 'deaf' || (!this.#up && bug !== 'carries-without-carrier')) return
    if (bug === 'changes-frame') frame[0]! ^= 1
    const answer = bug === 'keeps-buffer' ? frame : frame.slice()
    if (bug === 'throws-unheard' && this.#listeners.length === 0) throw new TypeError('listener is undefined')
    if (bug === 'recursive') this.#listeners.at(-1)?.listener(answer)
    else if (this.#waiting.length < MAX_WAITING || bug === 'keeps-all') this.#waiting.push(answer)
    if (bug === 'one-buffer' && this.#busy) this.#shared.fill(0xff)
    if (bug !== 'keeps-buffer') this.settle()
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    this.#listeners.push({ listener, accepts })
  }

  resume(): void {
    this.#refused = false
    if (this.#bug === 'repeats-on-resume' && this.#last !== undefined) this.#waiting.unshift(this.#last)
    this.settle()
  }

  onLinkChange(listener: (up: boolean) => void): void {
    this.#linkListeners.push(listener)
  }

  setLink(up: boolean): void {
    if (up === this.#up && this.#bug !== 'link-told-twice') return
    this.#up = up
    if (this.#bug !== 'link-silent') for (const listener of this.#linkListeners) listener(up)
  }

  settle(): void {
    if (this.#busy) return
    this.#busy = true
    try {
      while (this.#waiting.length > 0 && !this.#refused) if (!this.#deliver(this.#waiting.shift()!)) return
    } finally {
      this.#busy = false
    }
  }

  #deliver(answer: Uint8Array): boolean {
    const bug = this.#bug
    const receiver = this.#listeners.at(bug === 'first-listener' ? 0 : -1)
    if (receiver === undefined) return true
    let frame = bug === 'short-frames' ? answer.subarray(0, 10) : answer
    if (bug === 'one-buffer') {
      this.#shared.set(answer.subarray(0, 64))
      frame = this.#shared.subarray(0, answer.length)
    }
    if (bug === 'both-listeners') for (const each of this.#listeners) if (each !== receiver) each.listener(frame)
    const unfinished = bug === 'unfinished-for-all' ? { checksum: { start: 14, offset: 0 }, segmentation: undefined } : undefined
    const taken = receiver.listener(frame, unfinished) || (bug === 'asks-again' && receiver.listener(frame, unfinished))
    this.#refused = !taken
    this.#last = answer
    if (!taken && bug === 'keeps-none') this.#waiting = []
    if (!taken && bug !== 'drops-refused' && bug !== 'keeps-none') this.#waiting.unshift(answer)
    if (!taken && bug === 'repeats-refused') this.#waiting.unshift(answer)
    return taken
  }
}

export function portSubject(bug?: PortBug): NetworkPortSubject {
  const port = new ShelfPort(bug)
  return {
    port,
    request(number) {
      const frame = new Uint8Array(32)
      frame.set([0x88, 0xb5, number >> 8, number], 12)
      return frame
    },
    answered: (frame) => (frame[12] === 0x88 && frame[13] === 0xb5 ? (frame[NUMBER_AT]! << 8) | frame[NUMBER_AT + 1]! : undefined),
    settle: () => port.settle(),
    setLink: (up) => port.setLink(up),
  }
}

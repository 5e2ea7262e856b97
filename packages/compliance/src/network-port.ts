import type { FrameListener, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { seededRandom, thrownBy } from './support.ts'

export interface NetworkPortSubject {
  /** Nothing has been sent and nobody listens yet; the carrier is there. */
  port: NetworkPort
  /** A finished frame that makes the far end send one back to `port`: an ARP or echo request, say. `number`, below 65,536, tells requests apart. */
  request(number: number): Uint8Array
  /** The number of the request that a finished frame answers; undefined when it answers none. */
  answered(frame: Uint8Array): number | undefined
  /** Lets what is under way arrive. */
  settle(): void | Promise<void>
  /** Takes the carrier away and back, if the far end can. */
  setLink?(up: boolean): void
}

const NONE: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }
const ALL: FrameOffloads = { checksum: true, tso4: true, tso6: true, uso: true }
const MIN_FRAME = 14
const MAX_FRAME = 65_550
/** More frames than this, waiting for one who has no room, are no longer a bound. */
const MANY = 16_384

/** A listener that notes which requests were answered. */
class Listener {
  readonly answers: number[] = []
  calls = 0
  /** Takes so many frames more, then has no room. */
  room = Infinity
  readonly listen: FrameListener
  onAnswer: (number: number) => void = () => undefined

  constructor(subject: NetworkPortSubject, accepts: FrameOffloads, violated: (detail: string) => void) {
    this.listen = (frame, unfinished) => {
      this.calls++
      if (frame.length < MIN_FRAME || frame.length > MAX_FRAME) violated(`a frame of ${frame.length} bytes`)
      if (unfinished !== undefined && !takes(accepts, unfinished)) violated(`an unfinished frame (${JSON.stringify(unfinished)}) for one who does not take it`)
      if (this.room <= 0) return false
      this.room--
      const number = subject.answered(frame)
      if (number === undefined) return true
      this.answers.push(number)
      const before = frame.slice()
      this.onAnswer(number)
      if (frame.some((byte, index) => byte !== before[index])) violated('the frame changed while its listener was at work')
      return true
    }
    subject.port.onReceive(this.listen, accepts)
  }
}

function takes(accepts: FrameOffloads, { checksum, segmentation }: UnfinishedFrame): boolean {
  if (checksum !== undefined && !accepts.checksum) return false
  return segmentation === undefined || (accepts.checksum && accepts[segmentation.kind === 'udp' ? 'uso' : segmentation.kind === 'tcp4' ? 'tso4' : 'tso6'])
}

/** Whether request `number` is answered now. */
async function answers(subject: NetworkPortSubject, listener: Listener, number: number): Promise<boolean> {
  subject.port.send(subject.request(number))
  await subject.settle()
  return listener.answers.includes(number)
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const differs = (found: number[], expected: number[]): boolean => found.toSorted((a, b) => a - b).join() !== expected.join()

const laws: Law<NetworkPortSubject>[] = [
  {
    name: 'says what it takes unfinished: segments only where checksums too',
    check({ port }, violated) {
      const { checksum, tso4, tso6, uso } = port.offloads
      if ([checksum, tso4, tso6, uso, port.linkUp].some((each) => typeof each !== 'boolean')) violated('a value is no boolean')
      if (!checksum && (tso4 || tso6 || uso)) violated('segments are taken, checksums are not')
    },
  },
  {
    name: 'carries frames there and back, in whatever it was told the receiver takes',
    async check(subject, violated) {
      for (const [index, accepts] of [NONE, ALL, NONE].entries()) {
        const listener = new Listener(subject, accepts, violated)
        const first = index * 4
        for (let number = first; number < first + 4; number++) if (!(await answers(subject, listener, number))) violated(`request ${number} was not answered`)
      }
    },
  },
  {
    name: 'leaves the sender its buffer: it does not change it, and has copied what it keeps when send returns',
    async check(subject, violated) {
      const listener = new Listener(subject, NONE, violated)
      for (const number of upTo(4)) {
        const frame = subject.request(number)
        const before = frame.slice()
        subject.port.send(frame)
        if (frame.some((byte, index) => byte !== before[index])) violated('the frame was changed')
        frame.fill(0xa5)
      }
      await subject.settle()
      if (differs(listener.answers, upTo(4))) violated(`answers to ${listener.answers.join()}`)
    },
  },
  {
    name: 'takes any bytes as a frame, and goes on',
    async check(subject, violated) {
      const listener = new Listener(subject, NONE, violated)
      const random = seededRandom(1)
      for (let count = 0; count < 400; count++) {
        const frame = count % 4 === 0 ? Uint8Array.from({ length: MIN_FRAME + random(count % 40 === 0 ? MAX_FRAME - MIN_FRAME : 100) }, () => random(256)) : subject.request(count)
        if (count % 4 !== 0) for (let changes = random(5); changes >= 0; changes--) frame[random(frame.length)] = random(256)
        const error = thrownBy(() => subject.port.send(frame))
        if (error !== undefined) violated(`a frame of ${frame.length} bytes made it throw ${String(error)}`)
      }
      await subject.settle()
      if (!(await answers(subject, listener, 60_000))) violated('then a good request was not answered')
    },
  },
  {
    name: 'takes any hints about what is unfinished, and goes on',
    async check(subject, violated) {
      const listener = new Listener(subject, ALL, violated)
      const random = seededRandom(2)
      const number = (): number => [0, 14, 34, 54, random(70_000), -random(100), Number.NaN, 2 ** 31, 0.5][random(9)]!
      const { offloads } = subject.port
      for (let count = 0; count < 400; count++) {
        const kind = (['tcp4', 'tcp6', 'udp'] as const)[random(3)]!
        const unfinished: UnfinishedFrame = {
          checksum: { start: number(), offset: number() }, segmentation: random(2) === 0 ? undefined : { kind, size: number(), headerLength: number() },
        }
        if (!takes(offloads, unfinished)) continue
        const error = thrownBy(() => subject.port.send(subject.request(count), unfinished))
        if (error !== undefined) violated(`${JSON.stringify(unfinished)} made it throw ${String(error)}`)
      }
      await subject.settle()
      if (!(await answers(subject, listener, 60_000))) violated('then a good request was not answered')
    },
  },
  {
    name: 'waits when the receiver has no room, and loses and repeats nothing of a few frames',
    async check(subject, violated) {
      const listener = new Listener(subject, NONE, violated)
      listener.room = 3
      for (const number of upTo(12)) subject.port.send(subject.request(number))
      await subject.settle()
      if (listener.calls !== 4) violated(`the listener was called ${listener.calls} times, to refuse the fourth`)
      listener.room = 2
      subject.port.resume()
      await subject.settle()
      if (listener.answers.length !== 5) violated(`${listener.answers.length} frames taken by one who took 5`)
      listener.room = Infinity
      subject.port.resume()
      await subject.settle()
      if (differs(listener.answers, upTo(12))) violated(`answers to ${listener.answers.join()} of 12`)
    },
  },
  {
    name: 'keeps a bounded number of frames for one who has no room',
    async check(subject, violated) {
      const listener = new Listener(subject, NONE, violated)
      listener.room = 0
      for (let number = 0; number < 2 * MANY; number++) subject.port.send(subject.request(number))
      await subject.settle()
      listener.room = Infinity
      subject.port.resume()
      await subject.settle()
      if (listener.answers.length > MANY) violated(`${listener.answers.length} frames had been kept`)
      if (!(await answers(subject, listener, 60_000))) violated('then a request was not answered')
    },
  },
  {
    name: 'has one receiver, the last',
    async check(subject, violated) {
      const first = new Listener(subject, NONE, violated)
      const second = new Listener(subject, NONE, violated)
      if (!(await answers(subject, second, 1))) violated('the second listener heard nothing')
      if (first.calls > 0) violated('the first listener was called')
    },
  },
  {
    name: 'bears a receiver that answers at once, however often',
    async check(subject, violated) {
      const listener = new Listener(subject, NONE, violated)
      listener.onAnswer = (number) => {
        if (number < 5000) subject.port.send(subject.request(number + 1))
      }
      const error = thrownBy(() => subject.port.send(subject.request(0)))
      if (error !== undefined) violated(`it threw ${String(error)}`)
      await subject.settle()
      if (differs(listener.answers, upTo(5001))) violated(`${listener.answers.length} answers to 5001 requests`)
    },
  },
  {
    name: 'bears that nobody listens, and that one resumes who never refused',
    async check(subject, violated) {
      const error = thrownBy(() => {
        subject.port.resume()
        for (const number of upTo(4)) subject.port.send(subject.request(number))
        subject.port.resume()
      })
      if (error !== undefined) violated(`it threw ${String(error)}`)
      await subject.settle()
      const listener = new Listener(subject, NONE, violated)
      if (!(await answers(subject, listener, 9))) violated('then a request was not answered')
      subject.port.resume()
      await subject.settle()
      if (listener.answers.filter((number) => number === 9).length !== 1) violated('the answer came again')
    },
  },
  {
    name: 'tells when the carrier goes and comes, and carries nothing between',
    async check(subject, violated) {
      if (!subject.port.linkUp) violated('there is no carrier at first')
      if (subject.setLink === undefined) return
      const listener = new Listener(subject, NONE, violated)
      const told: boolean[] = []
      subject.port.onLinkChange((up) => told.push(up))
      subject.setLink(false)
      subject.setLink(false)
      if (subject.port.linkUp) violated('linkUp is true without carrier')
      if (await answers(subject, listener, 1)) violated('a request was answered without carrier')
      subject.setLink(true)
      if (!subject.port.linkUp) violated('linkUp is false with carrier')
      if (!(await answers(subject, listener, 2))) violated('a request was not answered when the carrier was back')
      if (told.join() !== 'false,true') violated(`told ${told.join()}`)
    },
  },
]

/** Laws of NetworkPort. */
export const networkPortSuite: Suite<NetworkPortSubject> = { name: 'NetworkPort', laws }

import { KICK_OFFSET } from '@entresol/cpu'
import type { CodeMessages } from '@entresol/cpu'
import type { MachineMemory } from '@entresol/interfaces'
import * as X from './exchange.ts'
import type { Exchange } from './exchange.ts'

/** What a message says. */
const MESSAGE_PROTECT = 1
const MESSAGE_WROTE = 2
const MESSAGE_INVALIDATE = 3
const MESSAGE_SET_MSR = 4
const messageNames = ['', 'protect', 'overwritten', 'invalidate', 'setMsr'] as const

/** What a thread does with the messages for its vCPU. */
export interface MessageHandlers {
  protect(frame: number): void
  overwritten(address: number, length: number): void
  /** Guest frames from `first` on are mapped differently. */
  invalidate(first: number, count: number): void
  /** WRMSR, value as halves. */
  setMsr(index: number, low: number, high: number): void
  /** There were more than fit: all that is cached may be wrong. Decoded code goes at the next boundary. */
  lost(): void
}

/**
 * One vCPU's end of the exchange, used by its thread only. A thread that waits for another one is QUIET meanwhile, so that two that wait for
 * each other both go on; what it promises for that is to look at its messages before it touches guest memory again.
 */
export class VcpuPort implements CodeMessages {
  readonly vcpu: number
  readonly exchange: Exchange
  readonly #words: Int32Array
  readonly #memory: Int32Array
  readonly #block: number
  readonly #wakeFirst: () => void
  readonly #mayBlock: boolean
  #handlers: MessageHandlers | undefined

  /** `wakeFirst`: the first thread sleeps in its event loop and must get a message. `mayBlock`: Atomics.wait is allowed here. */
  constructor(exchange: Exchange, vcpu: number, memory: MachineMemory, wakeFirst: () => void, mayBlock: boolean) {
    this.exchange = exchange
    this.vcpu = vcpu
    this.#words = exchange.words
    this.#memory = new Int32Array(memory.wasm.buffer)
    this.#block = exchange.block(vcpu)
    this.#wakeFirst = wakeFirst
    this.#mayBlock = mayBlock
    Atomics.store(this.#words, this.#block + X.QUIET, 1)
  }

  /** The vCPU exists: `state` is the machine address of its state block. */
  bind(state: number, handlers: MessageHandlers): void {
    this.#handlers = handlers
    this.store(X.STATE, state)
  }

  load(word: number): number {
    return Atomics.load(this.#words, this.#block + word)
  }

  store(word: number, value: number): void {
    Atomics.store(this.#words, this.#block + word, value)
    Atomics.notify(this.#words, this.#block + word)
  }

  /** From here on guest memory is touched. */
  enter(): void {
    Atomics.store(this.#words, this.#block + X.QUIET, 0)
    this.take()
  }

  leave(): void {
    Atomics.store(this.#words, this.#block + X.QUIET, 1)
  }

  /** Has the vCPU look at what is there for it. */
  kick(vcpu: number): void {
    const state = Atomics.load(this.#words, this.exchange.block(vcpu) + X.STATE) >>> 0
    if (state !== 0) {
      const at = (state + KICK_OFFSET) >>> 2
      Atomics.store(this.#memory, at, -1)
      Atomics.notify(this.#memory, at)
    }
    if (vcpu === 0 && Atomics.compareExchange(this.#words, X.ASLEEP, 1, 0) === 1) this.#wakeFirst()
  }

  get kicked(): boolean {
    return Atomics.load(this.#memory, this.#kick) !== 0
  }

  clearKick(): void {
    Atomics.store(this.#memory, this.#kick, 0)
  }

  /** Sleeps until a kick, at most `milliseconds`. The caller is quiet. */
  sleep(milliseconds: number): void {
    Atomics.wait(this.#memory, this.#kick, 0, milliseconds)
  }

  get #kick(): number {
    return ((this.load(X.STATE) >>> 0) + KICK_OFFSET) >>> 2
  }

  protect(vcpus: number, frame: number): void {
    this.#sendAll(vcpus, MESSAGE_PROTECT, frame, 0, 0, true)
  }

  wrote(vcpus: number, address: number, length: number): void {
    this.#sendAll(vcpus, MESSAGE_WROTE, address, length, 0, false)
  }

  /** To every vCPU of `vcpus` but this one; returns when none uses what it knew before. */
  invalidate(vcpus: number, first: number, count: number): void {
    this.#sendAll(vcpus & ~(1 << this.vcpu), MESSAGE_INVALIDATE, first, Math.min(count, 0x7fffffff), 0, true)
  }

  /** To one vCPU, which does it before its next instruction. */
  setMsr(vcpu: number, index: number, value: bigint): void {
    this.#sendAll(1 << vcpu, MESSAGE_SET_MSR, index | 0, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), true)
  }

  #sendAll(vcpus: number, kind: number, a: number, b: number, c: number, wait: boolean): void {
    const tickets: [vcpu: number, ticket: number][] = []
    for (let bits = vcpus; bits !== 0; bits &= bits - 1) {
      const vcpu = 31 - Math.clz32(bits & -bits)
      tickets.push([vcpu, this.#send(vcpu, kind, a, b, c)])
      this.kick(vcpu)
    }
    if (!wait) return
    const wasQuiet = this.load(X.QUIET)
    this.leave()
    for (const [vcpu, ticket] of tickets) this.#await(vcpu, ticket)
    if (!wasQuiet) this.enter()
  }

  /** Leaves a message; returns the number that TAKEN reaches when it was looked at. */
  #send(vcpu: number, kind: number, a: number, b: number, c: number): number {
    const words = this.#words
    const block = this.exchange.block(vcpu)
    while (Atomics.compareExchange(words, block + X.LOCK, 0, 1) !== 0);
    const left = words[block + X.LEFT]!
    if (left - Atomics.load(words, block + X.TAKEN) >= X.RING_ENTRIES) Atomics.store(words, block + X.LOST, 1)
    else {
      const entry = this.exchange.ringEntry(vcpu, left)
      words[entry] = kind
      words[entry + 1] = a
      words[entry + 2] = b
      words[entry + 3] = c
      Atomics.store(words, block + X.LEFT, left + 1)
    }
    const ticket = Atomics.load(words, block + X.LEFT)
    Atomics.store(words, block + X.LOCK, 0)
    return ticket
  }

  #await(vcpu: number, ticket: number): void {
    const words = this.#words
    const block = this.exchange.block(vcpu)
    for (let spins = 0; ; spins++) {
      const taken = Atomics.load(words, block + X.TAKEN)
      if (taken - ticket >= 0 || Atomics.load(words, block + X.QUIET) !== 0) return
      if (spins > 200 && this.#mayBlock) Atomics.wait(words, block + X.TAKEN, taken, 1)
    }
  }

  /** Looks at all messages there are. */
  take(): void {
    const words = this.#words
    const block = this.#block
    const handlers = this.#handlers
    if (!handlers) return
    const before = words[block + X.TAKEN]!
    let taken = before
    for (; taken !== Atomics.load(words, block + X.LEFT); taken = (taken + 1) | 0) {
      const entry = this.exchange.ringEntry(this.vcpu, taken)
      const name = messageNames[words[entry]!]
      if (name) handlers[name](words[entry + 1]! >>> 0, words[entry + 2]!, words[entry + 3]!)
      // Only now may the sender go on, and the entry be used again.
      Atomics.store(words, block + X.TAKEN, (taken + 1) | 0)
    }
    if (Atomics.load(words, block + X.LOST) !== 0) {
      Atomics.store(words, block + X.LOST, 0)
      handlers.lost()
    }
    if (taken !== before) Atomics.notify(words, block + X.TAKEN)
  }

  /** Asks the first thread for something and waits for its answer. Not for the first vCPU. */
  call(kind: number, a: number, b: number, c: number, d: number): number {
    const words = this.#words
    const block = this.#block
    words[block + X.CALL_KIND] = kind
    words[block + X.CALL_ARGUMENTS] = a
    words[block + X.CALL_ARGUMENTS + 1] = b
    words[block + X.CALL_ARGUMENTS + 2] = c
    words[block + X.CALL_ARGUMENTS + 3] = d
    Atomics.store(words, block + X.CALL, X.CALL_ASKED)
    this.kick(0)
    this.leave()
    while (Atomics.load(words, block + X.CALL) !== X.CALL_ANSWERED) Atomics.wait(words, block + X.CALL, X.CALL_ASKED)
    const answer = words[block + X.CALL_ANSWER]!
    Atomics.store(words, block + X.CALL, X.CALL_NONE)
    this.enter()
    return answer
  }

  /** The end of a level-triggered interrupt, for the I/O APIC. */
  endOfInterrupt(vector: number): void {
    Atomics.or(this.#words, this.exchange.block(0) + X.ENDED + (vector >> 5), 1 << (vector & 31))
    this.kick(0)
  }
}

import type { VcpuCounters } from '@entresol/cpu'
import { APIC_MAILBOX_WORDS, ApicMailbox } from '@entresol/io'

/** Messages a vCPU can have waiting before it is told to forget everything instead. */
export const RING_ENTRIES = 256
const RING_ENTRY_WORDS = 4

/** Words of one vCPU, offsets from its block. */
/** 1 while its thread touches no guest memory and will look at its messages before it does: halted, paused, or waiting for an answer. */
export const QUIET = 0
/** Machine address of its state block; 0 until there is one. */
export const STATE = 1
/** What the first thread wants of the vCPU's thread, and where that stands. */
export const COMMAND = 2
export const STATUS = 3
/** Set to have it reset; cleared when that is done. */
export const RESET = 4
/** Ring of messages: lock, number of the next to take, number of the next to leave, and whether some were lost. */
export const LOCK = 8
export const TAKEN = 9
export const LEFT = 10
export const LOST = 11
/** A call to the first thread: CALL_* state, what is asked, four arguments, the answer. */
export const CALL = 12
export const CALL_KIND = 13
export const CALL_ARGUMENTS = 14
export const CALL_ANSWER = 18
/** Ends of level-triggered interrupts, by vector, for the I/O APIC: only in the first vCPU's block. */
export const ENDED = 24
const APIC = 32
export const RING: number = APIC + APIC_MAILBOX_WORDS
const VCPU_WORDS: number = Math.ceil((RING + RING_ENTRIES * RING_ENTRY_WORDS) / 64) * 64

export const COMMAND_PAUSE = 0
export const COMMAND_RUN = 1
export const STATUS_STARTING = 0
export const STATUS_PAUSED = 1
export const STATUS_RUNNING = 2
/** It ended with an error. */
export const STATUS_ENDED = 3

export const CALL_NONE = 0
export const CALL_ASKED = 1
export const CALL_ANSWERED = 2

/** Words of all: whether the first thread sleeps and must be woken by a message of the host. */
export const ASLEEP = 0
const GLOBAL_WORDS = 64

/** Numbers of a vCPU for `Machine.stats`, as doubles, then its events by vector (u32). */
export const COUNTERS: readonly (keyof VcpuCounters)[] = [
  'instructions', 'decoded', 'invalidated', 'codeFlushes', 'codeBytes', 'regions', 'regionsMade', 'regionsInvalidated', 'regionFlushes',
  'translatedInstructions', 'translatedBytes', 'translationMilliseconds', 'regionEntries', 'exitsTransfer', 'exitsBailed', 'exitsSlice',
  'tlbFills', 'tlbFlushes',
]
const COUNTER_BYTES: number = COUNTERS.length * 8
const EVENT_BYTES = 256 * 4

/** The clock: nanoseconds between host time and virtual time, and virtual time while paused (NaN while it runs). */
const CLOCK_BYTES = 2 * 8

/** What the threads of a machine share beside its memory: views of one SharedArrayBuffer, which is posted to them. */
export class Exchange {
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array
  readonly clock: Float64Array
  readonly #doubles: number

  constructor(cpus: number, buffer?: SharedArrayBuffer) {
    this.#doubles = (GLOBAL_WORDS + cpus * VCPU_WORDS) * 4
    this.buffer = buffer ?? new SharedArrayBuffer(this.#doubles + CLOCK_BYTES + cpus * (COUNTER_BYTES + EVENT_BYTES))
    this.words = new Int32Array(this.buffer, 0, this.#doubles / 4)
    this.clock = new Float64Array(this.buffer, this.#doubles, CLOCK_BYTES / 8)
  }

  /** Index of a vCPU's block in `words`. */
  block(vcpu: number): number {
    return GLOBAL_WORDS + vcpu * VCPU_WORDS
  }

  apic(vcpu: number): ApicMailbox {
    const start = this.block(vcpu) + APIC
    return new ApicMailbox(this.words.subarray(start, start + APIC_MAILBOX_WORDS))
  }

  ringEntry(vcpu: number, number: number): number {
    return this.block(vcpu) + RING + (number & (RING_ENTRIES - 1)) * RING_ENTRY_WORDS
  }

  counters(vcpu: number): Float64Array {
    return new Float64Array(this.buffer, this.#doubles + CLOCK_BYTES + vcpu * (COUNTER_BYTES + EVENT_BYTES), COUNTERS.length)
  }

  events(vcpu: number): Uint32Array {
    return new Uint32Array(this.buffer, this.#doubles + CLOCK_BYTES + vcpu * (COUNTER_BYTES + EVENT_BYTES) + COUNTER_BYTES, 256)
  }
}

import { isAddressed } from './address.ts'
import type { ApicAddress } from './address.ts'
import type { ApicBusAgent } from './apic-bus.ts'
import type { LocalApic } from './local-apic.ts'
import * as spec from './spec.ts'

/** Words of an ApicMailbox: what the APIC is, messages that are bits, then IRR-like bits and which of them are level-triggered. */
const FLAGS = 0
const ID = 1
const LOGICAL_ID = 2
const FORMAT = 3
const PRIORITY = 4
const MESSAGES = 5
const SIPI_VECTOR = 6
const REQUESTED = 8
const LEVEL = 16
export const APIC_MAILBOX_WORDS = 24

const FLAG_ENABLED = 1
const FLAG_X2APIC = 2
const FLAG_ACCEPTS_FIXED = 4

/** Where a local APIC meets the threads that are not its own: shared words, zero at first. */
export class ApicMailbox implements ApicAddress {
  readonly #words: Int32Array

  /** APIC_MAILBOX_WORDS of them. */
  constructor(words: Int32Array) {
    this.#words = words
  }

  get enabled(): boolean { return (Atomics.load(this.#words, FLAGS) & FLAG_ENABLED) !== 0 }
  get x2apic(): boolean { return (Atomics.load(this.#words, FLAGS) & FLAG_X2APIC) !== 0 }
  get acceptsFixed(): boolean { return (Atomics.load(this.#words, FLAGS) & FLAG_ACCEPTS_FIXED) !== 0 }
  get id(): number { return Atomics.load(this.#words, ID) >>> 0 }
  get logicalId(): number { return Atomics.load(this.#words, LOGICAL_ID) >>> 0 }
  get format(): number { return Atomics.load(this.#words, FORMAT) >>> 0 }
  get priority(): number { return Atomics.load(this.#words, PRIORITY) }

  /** The APIC's own thread: how others can address it now. */
  publish(apic: LocalApic): void {
    const flags = (apic.enabled ? FLAG_ENABLED : 0) | (apic.x2apic ? FLAG_X2APIC : 0) | (apic.acceptsFixed ? FLAG_ACCEPTS_FIXED : 0)
    const words = this.#words
    Atomics.store(words, ID, apic.id)
    Atomics.store(words, LOGICAL_ID, apic.logicalId)
    Atomics.store(words, FORMAT, apic.format)
    Atomics.store(words, PRIORITY, apic.priority)
    Atomics.store(words, FLAGS, flags)
  }

  /** Any thread: leaves a message. Whoever does kicks the vCPU then. */
  post(deliveryMode: number, vector: number, level: boolean): void {
    const words = this.#words
    if (deliveryMode !== spec.DELIVERY_FIXED && deliveryMode !== spec.DELIVERY_LOWEST) {
      if (deliveryMode === spec.DELIVERY_STARTUP) Atomics.store(words, SIPI_VECTOR, vector)
      Atomics.or(words, MESSAGES, 1 << deliveryMode)
      return
    }
    const bit = 1 << (vector & 31)
    if (level) Atomics.or(words, LEVEL + (vector >> 5), bit)
    else Atomics.and(words, LEVEL + (vector >> 5), ~bit)
    Atomics.or(words, REQUESTED + (vector >> 5), bit)
  }

  /** The APIC's own thread: takes what was left. */
  collect(apic: LocalApic): void {
    const words = this.#words
    const messages = Atomics.load(words, MESSAGES) === 0 ? 0 : Atomics.exchange(words, MESSAGES, 0)
    for (const mode of [spec.DELIVERY_INIT, spec.DELIVERY_SMI, spec.DELIVERY_NMI, spec.DELIVERY_EXTINT]) {
      if (messages & (1 << mode)) apic.accept(mode, 0, false)
    }
    for (let index = 0; index < 8; index++) {
      let bits = Atomics.load(words, REQUESTED + index) === 0 ? 0 : Atomics.exchange(words, REQUESTED + index, 0)
      for (; bits !== 0; bits &= bits - 1) {
        const bit = 31 - Math.clz32(bits & -bits)
        apic.accept(spec.DELIVERY_FIXED, index * 32 + bit, (Atomics.load(words, LEVEL + index) & (1 << bit)) !== 0)
      }
    }
    // A start-up IPI follows its INIT.
    if (messages & (1 << spec.DELIVERY_STARTUP)) apic.accept(spec.DELIVERY_STARTUP, Atomics.load(words, SIPI_VECTOR), false)
  }

  /** Reset: what is left concerns nobody any more. */
  clear(): void {
    for (let index = MESSAGES; index < APIC_MAILBOX_WORDS; index++) Atomics.store(this.#words, index, 0)
  }
}

/** The local APIC of a vCPU in another thread, on this thread's bus. */
export class RemoteApic implements ApicBusAgent {
  readonly #mailbox: ApicMailbox
  readonly #kick: () => void

  /** `kick` has that thread look into the mailbox. */
  constructor(mailbox: ApicMailbox, kick: () => void) {
    this.#mailbox = mailbox
    this.#kick = kick
  }

  get priority(): number { return this.#mailbox.priority }
  get acceptsFixed(): boolean { return this.#mailbox.acceptsFixed }

  matches(destination: number, logical: boolean): boolean {
    return isAddressed(this.#mailbox, destination, logical)
  }

  accept(deliveryMode: number, vector: number, level: boolean): void {
    this.#mailbox.post(deliveryMode, vector, level)
    this.#kick()
  }
}

import type { InterruptSource, MsiSink, Resettable, Snapshotable } from '@entresol/interfaces'
import { type Check, record, u32 } from '../device/saved-state.ts'
import * as msi from '../msi/spec.ts'
import * as spec from './spec.ts'

/** Carries interrupt messages from I/O APICs and MSI to local APICs. */
export interface ApicMessageSink {
  /**
   * One message. `destination` is an APIC ID, or a logical destination; DESTINATION_ALL is everyone. `level` is the trigger mode.
   * Returns false when nobody took it.
   */
  deliver(destination: number, logical: boolean, deliveryMode: number, vector: number, level: boolean): boolean
}

/** What the bus asks of a local APIC. */
export interface ApicBusAgent {
  /** Arbitration priority for lowest-priority delivery: smaller takes it. */
  readonly priority: number
  /** Takes fixed and lowest-priority messages at all (globally and by software enabled). */
  readonly acceptsFixed: boolean
  matches(destination: number, logical: boolean): boolean
  accept(deliveryMode: number, vector: number, level: boolean): void
}

/** Something that holds level-triggered interrupts until their EOI. */
export interface EoiListener {
  endOfInterrupt(vector: number): void
}

/** Where lowest-priority delivery stands. */
export interface ApicBusState {
  lastLowest: number
}

const checkState: Check<ApicBusState> = record<ApicBusState>({ lastLowest: u32 })

/** The system bus as interrupts see it: connects local APICs, I/O APICs and message-signalled interrupts (SDM vol. 3, 11.1, 11.6.2, 11.11). */
export class ApicBus implements ApicMessageSink, MsiSink, Snapshotable<ApicBusState>, Resettable {
  readonly name: string = 'apic-bus'
  readonly snapshotVersion: number = 1
  readonly #agents: ApicBusAgent[] = []
  readonly #listeners: EoiListener[] = []
  #lastLowest = 0

  /** A LocalApic attaches itself. */
  attach(agent: ApicBusAgent): void {
    this.#agents.push(agent)
  }

  onEndOfInterrupt(listener: EoiListener): void {
    this.#listeners.push(listener)
  }

  broadcastEoi(vector: number): void {
    for (const listener of this.#listeners) listener.endOfInterrupt(vector)
  }

  deliver(destination: number, logical: boolean, deliveryMode: number, vector: number, level: boolean): boolean {
    if (deliveryMode === spec.DELIVERY_LOWEST) return this.#deliverLowest(destination, logical, vector, level)
    let taken = false
    for (const agent of this.#agents) {
      if (!agent.matches(destination, logical) || (deliveryMode === spec.DELIVERY_FIXED && !agent.acceptsFixed)) continue
      taken = true
      agent.accept(deliveryMode, vector, level)
    }
    return taken
  }

  /** All but `sender`. */
  deliverToOthers(sender: ApicBusAgent, deliveryMode: number, vector: number, level: boolean): void {
    for (const agent of this.#agents) if (agent !== sender) agent.accept(deliveryMode, vector, level)
  }

  /** A message-signalled interrupt: a write to FEExxxxxh. Anything else is a write to memory and not for this bus. */
  send(addressLow: number, addressHigh: number, data: number): void {
    if (addressHigh !== 0 || ((addressLow & msi.MSI_ADDRESS_MASK) >>> 0) !== msi.MSI_ADDRESS_BASE) return
    const id = (addressLow >>> msi.MSI_DESTINATION_SHIFT) & 0xff
    const logical = (addressLow & msi.MSI_DESTINATION_LOGICAL) !== 0
    const level = (data & msi.MSI_TRIGGER_LEVEL) !== 0
    // A level message without assert is the end of one, which local APICs do not track.
    if (level && (data & msi.MSI_LEVEL_ASSERT) === 0) return
    this.deliver(id === 0xff ? spec.DESTINATION_ALL : id, logical, (data >>> msi.MSI_DELIVERY_SHIFT) & 7, data & msi.MSI_VECTOR_MASK, level)
  }

  #deliverLowest(destination: number, logical: boolean, vector: number, level: boolean): boolean {
    const agents = this.#agents
    let best = -1
    // Among equals the turn goes round, starting behind the last one chosen.
    for (let step = 1; step <= agents.length; step++) {
      const index = (this.#lastLowest + step) % agents.length
      const agent = agents[index]
      if (!agent.acceptsFixed || !agent.matches(destination, logical)) continue
      if (best < 0 || agent.priority < agents[best].priority) best = index
    }
    if (best < 0) return false
    this.#lastLowest = best
    agents[best].accept(spec.DELIVERY_FIXED, vector, level)
    return true
  }

  reset(): void {
    this.#lastLowest = 0
  }

  save(): ApicBusState {
    return { lastLowest: this.#lastLowest }
  }

  restore(state: ApicBusState): void {
    this.#lastLowest = checkState(state, this.name).lastLowest
  }
}

/** A local APIC asks this for the vector of an ExtINT: the 8259A pair. */
export type ExternalInterruptController = Pick<InterruptSource, 'acknowledge' | 'pending'>

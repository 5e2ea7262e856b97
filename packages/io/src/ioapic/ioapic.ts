import type { AccessSize, BusDevice, InterruptLine, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import type { ApicMessageSink, EoiListener } from '../lapic/apic-bus.ts'
import { DELIVERY_FIXED, DELIVERY_LOWEST, DESTINATION_ALL } from '../lapic/spec.ts'
import * as spec from './spec.ts'
import { checkIoApicState, IOAPIC_STATE_VERSION, type IoApicState } from './state.ts'

/**
 * An I/O APIC with 24 pins, version 20h. Lines carry the logical level: polarity is stored and not applied, since an
 * InterruptLine already says asserted or not.
 */
export class IoApic implements BusDevice, EoiListener, Snapshotable<IoApicState>, Resettable {
  readonly name: string = 'ioapic'
  readonly length: number = spec.IOAPIC_WINDOW
  readonly snapshotVersion: number = IOAPIC_STATE_VERSION
  readonly #sink: ApicMessageSink
  readonly #low = new Uint32Array(spec.IOAPIC_PINS)
  readonly #high = new Uint32Array(spec.IOAPIC_PINS)
  #id = 0
  #select = 0
  #lines = 0

  /** Messages go to `sink`; give it this as EOI listener: `bus.onEndOfInterrupt(ioapic)`. */
  constructor(sink: ApicMessageSink) {
    this.#sink = sink
    this.reset()
  }

  /** The wire of pin `pin` (0..23). One driver; OR several with WiredOr. */
  line(pin: number): InterruptLine {
    return { set: (asserted) => this.#setPin(pin, asserted) }
  }

  read(offset: number, size: AccessSize): number | IoFault {
    const register = offset & ~3
    if ((offset & 3) + size > 4) return 'unaligned'
    const value = register === spec.IOREGSEL ? this.#select : register === spec.IOWIN ? this.#readRegister() : -1
    if (value < 0) return 'no-register'
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset === spec.IOREGSEL) this.#select = value & 0xff
    else if (size !== 4) return 'no-register'
    else if (offset === spec.IOWIN) this.#writeRegister(value)
    else if (offset === spec.IOAPIC_EOI) this.endOfInterrupt(value & 0xff)
    else return 'no-register'
    return undefined
  }

  /** A local APIC ended `vector`: pins that sent it may send again, and do while their line is high. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < spec.IOAPIC_PINS; pin++) {
      const entry = this.#low[pin]
      if ((entry & spec.REDIR_REMOTE_IRR) === 0 || (entry & 0xff) !== vector) continue
      this.#low[pin] = entry & ~spec.REDIR_REMOTE_IRR
      this.#serviceLevel(pin)
    }
  }

  reset(): void {
    this.#id = 0
    this.#select = 0
    this.#low.fill(spec.REDIR_MASKED)
    this.#high.fill(0)
  }

  save(): IoApicState {
    return { id: this.#id, select: this.#select, low: [...this.#low], high: [...this.#high], lines: this.#lines }
  }

  restore(state: IoApicState): void {
    const checked = checkIoApicState(state, this.name)
    this.#id = checked.id & 0xf
    this.#select = checked.select
    for (let pin = 0; pin < spec.IOAPIC_PINS; pin++) {
      this.#low[pin] = checked.low[pin] & (spec.REDIR_WRITABLE | spec.REDIR_REMOTE_IRR)
      this.#high[pin] = checked.high[pin] & spec.REDIR_DESTINATION
    }
    this.#lines = checked.lines & (2 ** spec.IOAPIC_PINS - 1)
  }

  #readRegister(): number {
    switch (this.#select) {
      case spec.IOAPICID: case spec.IOAPICARB: return this.#id << 24
      case spec.IOAPICVER: return ((spec.IOAPIC_PINS - 1) << 16) | spec.IOAPIC_VERSION
    }
    const index = this.#select - spec.IOREDTBL
    if (index < 0 || index >= 2 * spec.IOAPIC_PINS) return 0
    return (index & 1) === 0 ? this.#low[index >> 1] : this.#high[index >> 1]
  }

  #writeRegister(value: number): void {
    if (this.#select === spec.IOAPICID) this.#id = (value >>> 24) & 0xf
    const index = this.#select - spec.IOREDTBL
    if (index < 0 || index >= 2 * spec.IOAPIC_PINS) return
    const pin = index >> 1
    if ((index & 1) !== 0) {
      this.#high[pin] = value & spec.REDIR_DESTINATION
      return
    }
    // Remote IRR has no meaning for an edge entry: software without the EOI register clears it by switching to edge and back.
    const remote = (value & spec.REDIR_LEVEL) !== 0 ? this.#low[pin] & spec.REDIR_REMOTE_IRR : 0
    this.#low[pin] = (value & spec.REDIR_WRITABLE) | remote
    this.#serviceLevel(pin)
  }

  #setPin(pin: number, asserted: boolean): void {
    const bit = 1 << pin
    if (((this.#lines & bit) !== 0) === asserted) return
    this.#lines ^= bit
    if (!asserted) return
    const entry = this.#low[pin]
    if (this.#isLevel(entry)) this.#serviceLevel(pin)
    // An edge on a masked pin is ignored, not remembered (3.2.4, mask bit).
    else if ((entry & spec.REDIR_MASKED) === 0) this.#send(pin, false)
  }

  /** SMI, NMI, INIT and ExtINT are always edge triggered (3.2.4, delivery mode). */
  #isLevel(entry: number): boolean {
    const mode = (entry >> spec.REDIR_DELIVERY_SHIFT) & 7
    return (entry & spec.REDIR_LEVEL) !== 0 && (mode === DELIVERY_FIXED || mode === DELIVERY_LOWEST)
  }

  #serviceLevel(pin: number): void {
    const entry = this.#low[pin]
    if (!this.#isLevel(entry) || (entry & (spec.REDIR_MASKED | spec.REDIR_REMOTE_IRR)) !== 0 || (this.#lines & (1 << pin)) === 0) return
    // Remote IRR is set when a local APIC accepts the message.
    this.#low[pin] = entry | spec.REDIR_REMOTE_IRR
    if (!this.#send(pin, true)) this.#low[pin] = entry
  }

  #send(pin: number, level: boolean): boolean {
    const entry = this.#low[pin]
    const id = this.#high[pin] >>> 24
    const logical = (entry & spec.REDIR_LOGICAL) !== 0
    return this.#sink.deliver(id === 0xff ? DESTINATION_ALL : id, logical, (entry >> spec.REDIR_DELIVERY_SHIFT) & 7, entry & 0xff, level)
  }
}

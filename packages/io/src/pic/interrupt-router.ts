import type { InterruptLine } from '@entresol/interfaces'
import { NO_LINE, WiredOr } from '../core/lines.ts'

/** What the router drives: the same wire into both controllers, as on every board that has both. */
export interface InterruptRouterTargets {
  /** Input of the 8259A pair, by ISA IRQ. Absent on boards without. */
  readonly pic?: (irq: number) => InterruptLine
  /** Input of the I/O APIC, by pin. */
  readonly ioapic?: (pin: number) => InterruptLine
}

/** I/O APIC pin of the PIT (MADT interrupt source override IRQ 0 → GSI 2). */
export const PIT_GSI = 2
/** First pin of PIRQA..PIRQD. */
export const PIRQ_GSI_BASE = 16

/**
 * The wiring between devices and interrupt controllers: ISA IRQ n goes to 8259A input n and to I/O APIC pin n, but IRQ 0 to
 * pin 2; GSIs from 16 go to the I/O APIC alone. Every call gives a driver of its own; drivers of one wire are ORed.
 */
export class InterruptRouter {
  readonly #isa: WiredOr[] = []
  readonly #gsi: WiredOr[] = []

  constructor(targets: InterruptRouterTargets, gsiCount = 24) {
    for (let gsi = 0; gsi < gsiCount; gsi++) this.#gsi.push(new WiredOr(targets.ioapic?.(gsi) ?? NO_LINE))
    for (let irq = 0; irq < 16; irq++) {
      const pic = targets.pic?.(irq) ?? NO_LINE
      const pin = this.#gsi[irq === 0 ? PIT_GSI : irq].input()
      this.#isa.push(new WiredOr({
        set: (asserted) => {
          pic.set(asserted)
          // IRQ 2 is the cascade on an ISA board; pin 2 belongs to the PIT.
          if (irq !== PIT_GSI) pin.set(asserted)
        }
      }))
    }
  }

  isaLine(irq: number): InterruptLine {
    return this.#isa[irq].input()
  }

  /** A driver of I/O APIC pin `gsi` alone. */
  gsiLine(gsi: number): InterruptLine {
    return this.#gsi[gsi].input()
  }
}

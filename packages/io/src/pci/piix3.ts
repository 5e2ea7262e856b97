import type { AccessSize, BusDevice, InterruptLine, IoFault } from '@entresol/interfaces'
import { NO_LINE, WiredOr } from '../core/lines.ts'
import { PciDevice } from './pci-device.ts'
import type { PciBus } from './pci-bus.ts'
import { PIRQ_COUNT } from './spec.ts'

/** Intel 82371SB (PIIX3) datasheet (290550), section numbers below. */
export const PIIX3_VENDOR_ID = 0x8086
export const PIIX3_ISA_DEVICE_ID = 0x7000
/** 2.2.11: PIRQRC[A:D], bit 7 disables the route, bits 3..0 are the IRQ. */
export const PIIX3_PIRQRCA = 0x60
export const PIRQRC_DISABLE = 0x80
/** Reset control register, port 0xCF9 (2.5.8.4). */
export const RESET_CONTROL_PORT = 0xcf9
export const RC_SYSTEM_RESET = 0x02
export const RC_RESET_CPU = 0x04
/** IRQs a PIRQ may be steered to (table in 2.2.11): not 0, 1, 2, 8 and 13. */
const STEERABLE = 0xdef8

/**
 * The PCI-ISA bridge and PIRQ router. Each PIRQ drives the ISA IRQ its route register names, and one wire of its own
 * (`gsi`, I/O APIC pins 16..19 on boards of the time).
 */
export class Piix3IsaBridge extends PciDevice {
  readonly #levels: boolean[] = new Array<boolean>(PIRQ_COUNT).fill(false)
  /** Per IRQ, one input for each PIRQ. */
  readonly #inputs: InterruptLine[][]
  /** The wire of each PIRQ. */
  readonly #gsi: readonly InterruptLine[]

  /**
   * `isaLine(irq)` is a wired-OR input of ISA IRQ `irq`; `gsi(pirq)`, asked once, a driver of the PIRQ's own wire. Listens to the PIRQs of `bus`.
   */
  constructor(bus: PciBus, isaLine: (irq: number) => InterruptLine, gsi?: (pirq: number) => InterruptLine) {
    super({ name: 'piix3-isa', vendorId: PIIX3_VENDOR_ID, deviceId: PIIX3_ISA_DEVICE_ID, classCode: 0x060100, multifunction: true })
    const config = this.config
    // The bridge's command register always has I/O, memory and bus master on (2.2.3), status DEVSEL# medium.
    config.define(0x04, 2, 0x0007, 0x0108)
    config.define(0x06, 2, 0x0200, 0, 0xf800)
    // ISA I/O recovery timer, XBCS (2.2.8, 2.2.9).
    config.define(0x4c, 1, 0x4d, 0xff)
    config.define(0x4e, 2, 0x0003, 0xffff)
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) config.define(PIIX3_PIRQRCA + pirq, 1, PIRQRC_DISABLE, 0x8f)
    // TOM, MSTAT, MBIRQ, MBDMA, APICBASE, DLC (2.2.12-2.2.18), SMI control (2.2.20): stored.
    config.define(0x69, 1, 0x02, 0xff)
    config.define(0x6a, 2, 0, 0x8000)
    config.define(0x70, 1, 0x80, 0xef)
    config.define(0x76, 2, 0x0c0c, 0x8f8f)
    config.define(0x80, 1, 0, 0x7f)
    config.define(0x82, 1, 0, 0x0f)
    config.define(0xa0, 1, 0x08, 0x1f)
    config.define(0xa2, 4, 0, 0xffff_ffff)
    config.define(0xa8, 1, 0x0f, 0xff)
    this.reserveConfig(0xb0)
    this.#gsi = Array.from({ length: PIRQ_COUNT }, (_, pirq) => gsi?.(pirq) ?? NO_LINE)
    this.#inputs = Array.from({ length: 16 }, (_, irq) => {
      const or = new WiredOr(isaLine(irq))
      return Array.from({ length: PIRQ_COUNT }, () => or.input())
    })
    bus.onPirq((pirq, asserted) => {
      this.#levels[pirq] = asserted
      this.#gsi[pirq].set(asserted)
      this.#route()
    })
    this.onConfigChange(() => this.#route())
  }

  /** IRQ PIRQ `pirq` is steered to, -1 when it is not. */
  routeOf(pirq: number): number {
    const route = this.config.bytes[PIIX3_PIRQRCA + pirq]
    const irq = route & 0xf
    return (route & PIRQRC_DISABLE) === 0 && (STEERABLE & (1 << irq)) !== 0 ? irq : -1
  }

  #route(): void {
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) {
      const route = this.routeOf(pirq)
      for (let irq = 0; irq < 16; irq++) if (irq !== route) this.#inputs[irq][pirq].set(false)
      if (route >= 0) this.#inputs[route][pirq].set(this.#levels[pirq])
    }
  }
}

/**
 * The reset control register. A hard reset (SRST set) and a CPU reset both happen when RCPU goes from 0 to 1; `onReset` is
 * told which, `true` for hard.
 */
export class ResetControl implements BusDevice {
  readonly name: string = 'reset-control'
  readonly length: number = 1
  readonly #onReset: (hard: boolean) => void
  #value = 0

  constructor(onReset: (hard: boolean) => void) {
    this.#onReset = onReset
  }

  read(_offset: number, _size: AccessSize): number | IoFault {
    return this.#value
  }

  write(_offset: number, _size: AccessSize, value: number): IoFault | undefined {
    const rising = (value & RC_RESET_CPU) !== 0 && (this.#value & RC_RESET_CPU) === 0
    // RCPU reads back as written until the reset it causes clears it.
    this.#value = value & (RC_SYSTEM_RESET | RC_RESET_CPU)
    if (!rising) return undefined
    const hard = (value & RC_SYSTEM_RESET) !== 0
    this.#value = 0
    this.#onReset(hard)
    return undefined
  }
}

import type { BusDevice, InterruptLine, InterruptSource, Resettable, Snapshotable } from '@entresol/interfaces'
import { ByteRegisters } from '../device/byte-registers.ts'
import { Pic8259 } from './pic8259.ts'
import * as spec from './spec.ts'
import { checkDualPicState, type DualPicState, PIC_STATE_VERSION } from './state.ts'

/** The two cascaded 8259As of a PC, with ELCR. IRQ 2 is the cascade and has no wire of its own. */
export class DualPic implements InterruptSource, Snapshotable<DualPicState>, Resettable {
  readonly name: string = 'pic'
  readonly snapshotVersion: number = PIC_STATE_VERSION
  /** Ports 0x20..0x21, 0xA0..0xA1 and 0x4D0..0x4D1. */
  readonly masterPorts: BusDevice
  readonly slavePorts: BusDevice
  readonly elcrPorts: BusDevice
  readonly #master: Pic8259
  readonly #slave: Pic8259

  /** `output` is the master's INT wire: LINT0 of a local APIC, or what wakes the one vCPU that asks `pending()`. */
  constructor(output: InterruptLine) {
    this.#master = new Pic8259(spec.ELCR_MASTER_WRITABLE, (asserted) => output.set(asserted))
    this.#slave = new Pic8259(spec.ELCR_SLAVE_WRITABLE, (asserted) => this.#master.setLine(spec.PIC_CASCADE, asserted))
    const chip = (name: string, pic: Pic8259): BusDevice =>
      new ByteRegisters(name, 2, (offset) => pic.read(offset), (offset, value) => pic.write(offset, value))
    this.masterPorts = chip('pic-master', this.#master)
    this.slavePorts = chip('pic-slave', this.#slave)
    const chips = [this.#master, this.#slave]
    this.elcrPorts = new ByteRegisters('pic-elcr', 2, (offset) => chips[offset].elcr, (offset, value) => { chips[offset].elcr = value })
  }

  /** The wire of ISA IRQ `irq` (0..15). One driver; OR several with WiredOr. */
  line(irq: number): InterruptLine {
    const chip = irq < 8 ? this.#master : this.#slave
    return { set: (asserted) => { if (irq !== spec.PIC_CASCADE) chip.setLine(irq & 7, asserted) } }
  }

  pending(): boolean {
    return this.#master.int
  }

  /** The vector; the spurious one (input 7) when the request went away. Never -1: an 8259A always answers INTA. */
  acknowledge(): number {
    const { input, vector } = this.#master.acknowledge()
    if (input === spec.PIC_CASCADE) return this.#slave.acknowledge().vector
    return vector
  }

  reset(): void {
    this.#slave.reset()
    this.#master.reset()
  }

  save(): DualPicState {
    return { master: this.#master.save(), slave: this.#slave.save() }
  }

  restore(state: DualPicState): void {
    const checked = checkDualPicState(state, this.name)
    this.#slave.restore(checked.slave)
    this.#master.restore(checked.master)
  }
}

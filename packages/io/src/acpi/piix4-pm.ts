import type { BusDevice, BusMapping, MappableBus } from '@entresol/interfaces'
import type { PciSlot } from '../pci/pci-bus.ts'
import { PciDevice } from '../pci/pci-device.ts'
import { COMMAND_IO, PCI_COMMAND, PCI_INTERRUPT_LINE } from '../pci/spec.ts'
import type { AcpiPm } from './acpi-pm.ts'
import { EmptySmbus } from './smbus.ts'
import * as spec from './spec.ts'

/**
 * PIIX4 function 3: puts the ACPI registers and the SMBus host where PMBA and SMBBA say. Firmware finds it, gives it its base and
 * enables it; for a kernel without firmware the board calls `configure`.
 */
export class Piix4Pm extends PciDevice {
  readonly smbus: EmptySmbus = new EmptySmbus()
  readonly #pm: AcpiPm
  #slotPorts: MappableBus | undefined
  readonly #windows: [Window, Window]

  constructor(pm: AcpiPm) {
    super({ name: 'piix4-pm', vendorId: 0x8086, deviceId: spec.PIIX4_PM_DEVICE_ID, classCode: 0x068000, revision: 3, interruptPin: 1 })
    this.#pm = pm
    this.#windows = [new Window(pm), new Window(this.smbus)]
    const config = this.config
    config.define(0x06, 2, 0x0280, 0, 0xf900)
    config.define(spec.PIIX4_PMBA, 4, 0x0000_0001, 0x0000_ffc0)
    // CNTA, CNTB, GPICTL, DEVRESD, DEVACTA (7.1.10-7.1.14): stored.
    for (let offset = 0x44; offset < spec.PIIX4_DEVACTB; offset += 4) config.define(offset, 4, 0, 0xffff_ffff)
    // APMC_EN set already: firmware takes system management mode as installed and does not wait for an SMI that never comes.
    config.define(spec.PIIX4_DEVACTB, 4, 0x0200_0000, 0x0300_0000)
    for (let offset = 0x5c; offset < 0x80; offset += 4) config.define(offset, 4, 0, 0xffff_ffff)
    config.define(spec.PIIX4_PMREGMISC, 1, 0, 0x01)
    config.define(spec.PIIX4_SMBBA, 4, 0x0000_0001, 0x0000_fff0)
    config.define(spec.PIIX4_SMBHSTCFG, 4, 0, 0x00ff_ff0f)
    this.reserveConfig(0xe0)
  }

  /** What firmware does: registers at `base` (a multiple of 64), decoding on, interrupt line noted. */
  configure(base: number = spec.ACPI_PM_BASE): void {
    this.writeConfig(spec.PIIX4_PMBA, 4, base)
    this.writeConfig(spec.PIIX4_PMREGMISC, 1, 1)
    this.writeConfig(PCI_INTERRUPT_LINE, 1, spec.ACPI_SCI_IRQ)
  }

  /** Where the ACPI registers are decoded, undefined when they are not. */
  get pmBase(): number | undefined {
    return this.#windows[0].base
  }

  override attached(slot: PciSlot | undefined): void {
    for (const window of this.#windows) window.release()
    this.#slotPorts = slot?.ports
    super.attached(slot)
  }

  override updateBars(): boolean {
    const ports = this.#slotPorts
    if (ports === undefined) return true
    const config = this.config
    const pm = (config.bytes[spec.PIIX4_PMREGMISC] & 1) !== 0 ? config.read(spec.PIIX4_PMBA, 2) & 0xffc0 : 0
    const enabled = (config.bytes[spec.PIIX4_SMBHSTCFG] & 1) !== 0 && (config.bytes[PCI_COMMAND] & COMMAND_IO) !== 0
    const smb = enabled ? config.read(spec.PIIX4_SMBBA, 2) & 0xfff0 : 0
    const moved = [this.#windows[0].update(ports, pm), this.#windows[1].update(ports, smb)]
    return super.updateBars() && moved.every((done) => done)
  }

  override reset(): void {
    this.#pm.reset()
    this.smbus.reset()
    super.reset()
  }
}

/** Registers at a base that configuration space holds outside the BARs; 0 is off. */
class Window {
  readonly #device: BusDevice
  #mapping: BusMapping | undefined

  constructor(device: BusDevice) {
    this.#device = device
  }

  get base(): number | undefined {
    return this.#mapping?.base
  }

  /** False when another device holds those ports. */
  update(ports: MappableBus, base: number): boolean {
    if (base === (this.#mapping?.base ?? 0)) return true
    this.release()
    if (base === 0) return true
    try {
      this.#mapping = ports.map(base, this.#device)
    } catch {
      return false
    }
    return true
  }

  release(): void {
    this.#mapping?.unmap()
    this.#mapping = undefined
  }
}

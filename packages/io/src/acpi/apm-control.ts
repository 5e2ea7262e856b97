import type { BusDevice, AccessSize, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { ByteRegisters } from '../device/byte-registers.ts'
import * as spec from './spec.ts'
import { type ApmControlState, checkApmControlState } from './state.ts'

/** APMC and APMS, ports B2h and B3h. Firmware's SMI handler would switch ACPI mode; here the ports do it themselves, as there is no SMM. */
export class ApmControl implements BusDevice, Snapshotable<ApmControlState>, Resettable {
  readonly name: string = 'apm-control'
  readonly length: number = 2
  readonly snapshotVersion: number = 1
  readonly #setAcpiMode: (on: boolean) => void
  readonly #ports: ByteRegisters
  #command = 0
  #status = 0

  constructor(setAcpiMode: (on: boolean) => void) {
    this.#setAcpiMode = setAcpiMode
    this.#ports = new ByteRegisters(this.name, 2, (offset) => (offset === 0 ? this.#command : this.#status), (offset, value) => this.#write(offset, value))
  }

  read(offset: number, size: AccessSize): number | IoFault {
    return this.#ports.read(offset, size)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    return this.#ports.write(offset, size, value)
  }

  reset(): void {
    this.#command = 0
    this.#status = 0
  }

  save(): ApmControlState {
    return { command: this.#command, status: this.#status }
  }

  restore(state: ApmControlState): void {
    const checked = checkApmControlState(state, this.name)
    this.#command = checked.command
    this.#status = checked.status
  }

  #write(offset: number, value: number): void {
    if (offset === 1) {
      this.#status = value
      return
    }
    this.#command = value
    if (value === spec.ACPI_ENABLE) this.#setAcpiMode(true)
    else if (value === spec.ACPI_DISABLE) this.#setAcpiMode(false)
  }
}

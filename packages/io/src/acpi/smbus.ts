import type { AccessSize, BusDevice, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { ByteRegisters } from '../device/byte-registers.ts'
import * as spec from './spec.ts'
import { checkSmbusState, type SmbusState } from './state.ts'

/** The PIIX4's SMBus host with nobody on the bus: every transaction ends at once with a device error, so that probes do not wait. */
export class EmptySmbus implements BusDevice, Snapshotable<SmbusState>, Resettable {
  readonly name: string = 'piix4-smbus'
  readonly length: number = spec.SMB_LENGTH
  readonly snapshotVersion: number = 1
  readonly #registers = new Uint8Array(spec.SMB_LENGTH)
  readonly #ports: ByteRegisters = new ByteRegisters(
    this.name, this.length, (offset) => this.#registers[offset], (offset, value) => this.#write(offset, value)
  )

  read(offset: number, size: AccessSize): number | IoFault {
    return this.#ports.read(offset, size)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    return this.#ports.write(offset, size, value)
  }

  reset(): void {
    this.#registers.fill(0)
  }

  save(): SmbusState {
    return { registers: this.#registers.slice() }
  }

  restore(state: SmbusState): void {
    this.#registers.set(checkSmbusState(state, this.name).registers)
  }

  #write(offset: number, value: number): void {
    if (offset === spec.SMBHSTSTS) this.#registers[offset] &= ~(value & spec.SMB_STATUS_CLEARABLE)
    else if (offset === spec.SMBHSTCNT) {
      this.#registers[offset] = value & spec.SMB_CONTROL_KEPT
      if ((value & spec.SMB_START) !== 0) this.#registers[spec.SMBHSTSTS] |= spec.SMB_DEVICE_ERROR
    } else this.#registers[offset] = value
  }
}

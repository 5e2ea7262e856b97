import { bytes, type Check, record, safe, u16, u8 } from '../device/saved-state.ts'
import { PM_IO_LENGTH, PM_STORED, SMB_LENGTH } from './spec.ts'

export const ACPI_PM_STATE_VERSION = 1

/** ACPI fixed hardware. */
export interface AcpiPmState {
  status: number
  enable: number
  control: number
  gpeStatus: number
  gpeEnable: number
  /** Times the timer's top bit had toggled when TMR_STS was last cleared. */
  toggles: number
  stored: Uint8Array
}

export const checkAcpiPmState: Check<AcpiPmState> = record<AcpiPmState>({
  status: u16, enable: u16, control: u16, gpeStatus: u16, gpeEnable: u16, toggles: safe, stored: bytes(PM_IO_LENGTH - PM_STORED)
})

export interface SmbusState {
  registers: Uint8Array
}

export const checkSmbusState: Check<SmbusState> = record<SmbusState>({ registers: bytes(SMB_LENGTH) })

export interface ApmControlState {
  command: number
  status: number
}

export const checkApmControlState: Check<ApmControlState> = record<ApmControlState>({ command: u8, status: u8 })

import { bytes, list, record, safe, text, u16, u32 } from '../device/saved-state.ts'
import type { Check } from '../device/saved-state.ts'
import { FILE_NAME_MAX, FILE_SLOTS } from './spec.ts'

export const FW_CFG_STATE_VERSION = 1

export interface FwCfgState {
  key: number
  offset: number
  dmaHigh: number
  /** Files the guest may write; everything else is configuration, not state. */
  written: { name: string; data: Uint8Array }[]
}

export const checkFwCfgState: Check<FwCfgState> = record<FwCfgState>({
  key: u16,
  offset: safe,
  dmaHigh: u32,
  written: list(record<{ name: string; data: Uint8Array }>({ name: text(FILE_NAME_MAX), data: bytes(0, 1 << 24) }), FILE_SLOTS),
})

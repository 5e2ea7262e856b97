import { bool, type Check, integer, record, u8 } from '../device/saved-state.ts'

export const PIC_STATE_VERSION = 1

/** One 8259A. */
export interface Pic8259State {
  /** Latched edges of edge-triggered inputs. */
  edges: number
  /** Levels of the inputs. */
  lines: number
  inService: number
  mask: number
  level: number
  vectorBase: number
  /** Input with the lowest priority, 7 after initialization. */
  lowest: number
  /** Next initialization command word expected (2..4), 0 when initialized, 1 before the first. */
  step: number
  icw1: number
  icw3: number
  icw4: number
  readIsr: boolean
  poll: boolean
  specialMask: boolean
  rotateOnAeoi: boolean
}

export interface DualPicState {
  master: Pic8259State
  slave: Pic8259State
}

const checkPic8259State: Check<Pic8259State> = record<Pic8259State>({
  edges: u8, lines: u8, inService: u8, mask: u8, level: u8, vectorBase: u8, lowest: integer(0, 7), step: integer(0, 4),
  icw1: u8, icw3: u8, icw4: u8, readIsr: bool, poll: bool, specialMask: bool, rotateOnAeoi: bool
})

export const checkDualPicState: Check<DualPicState> = record<DualPicState>({ master: checkPic8259State, slave: checkPic8259State })

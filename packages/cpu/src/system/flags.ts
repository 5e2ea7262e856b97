import { CR4_PVI, CR4_VME, DR7_ENABLES } from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { GP, GuestFault } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, SystemContext } from './context.ts'
import { currentStack, peekFrame, pushFrame, setStackPointer, stackPointer } from './stack.ts'

/** CF, PF, AF, ZF, SF, TF, DF, OF, NT. */
const USER_FLAGS = 0x4dd5

/** `old` with the bits of `mask` taken from `image`. */
export const flagsWith = (old: number, image: number, mask: number): number => ((old & ~mask) | (image & mask)) >>> 0

/** EFLAGS bits IRET and POPF of `size` bytes may change in protected mode at the current privilege (SDM vol. 2, POPF). */
export function changeableFlags(c: SystemContext, size: 2 | 4 | 8): number {
  const { state } = c
  let mask = USER_FLAGS
  if (size !== 2) mask |= L.FLAG_RF | L.FLAG_AC | L.FLAG_ID
  if (state.cpl <= state.iopl) mask |= L.FLAG_IF
  if (state.cpl === 0) mask |= L.FLAG_IOPL
  return mask
}

/**
 * After IRET or a task switch loaded EFLAGS: TF ends the run so that the next instruction is stepped; RF is only kept where an
 * instruction breakpoint can look at it, so that it need not be cleared after every instruction.
 */
export function flagsLoaded(c: SystemContext): void {
  const { state } = c
  if (state.flag(L.FLAG_RF)) {
    if (state.u32(L.DR + 56) & DR7_ENABLES) c.resumeLoaded()
    else state.setFlag(L.FLAG_RF, false)
  }
  if (state.flag(L.FLAG_TF)) c.debugChanged()
  c.interruptsMayFlow()
}

export const pushf: HostFunction = (c, i) => {
  const { state } = c
  let flags = state.eflags & ~(L.FLAG_RF | L.FLAG_VM)
  if (state.virtual8086 && state.iopl < 3) {
    if (!(state.cr4 & CR4_VME) || i.width !== 16) throw new GuestFault(GP, 0)
    // IF is VIF's value, IOPL reads as 3 (21.3.2).
    flags = (flags & ~L.FLAG_IF) | L.FLAG_IOPL | (state.flag(L.FLAG_VIF) ? L.FLAG_IF : 0)
  }
  const stack = currentStack(c)
  setStackPointer(state, pushFrame(c, stack, stackPointer(c), i.width / 8, [BigInt(flags >>> 0)]), stack.mask)
}

export const popf: HostFunction = (c, i) => {
  const { state } = c
  const size = (i.width / 8) as 2 | 4 | 8
  const stack = currentStack(c)
  const v86 = state.virtual8086
  const virtualIf = v86 && state.iopl < 3
  if (virtualIf && (!(state.cr4 & CR4_VME) || size !== 2)) throw new GuestFault(GP, 0)
  let image = Number(peekFrame(c, stack, stackPointer(c), size, 1)[0]! & 0xffffffffn)
  let mask = changeableFlags(c, size)
  if (virtualIf) {
    if ((image & L.FLAG_IF && state.flag(L.FLAG_VIP)) || image & L.FLAG_TF) throw new GuestFault(GP, 0)
    mask = USER_FLAGS | L.FLAG_VIF
    image = image & L.FLAG_IF ? image | L.FLAG_VIF : image & ~L.FLAG_VIF
  }
  // POPF clears RF.
  image &= ~L.FLAG_RF
  setStackPointer(state, stackPointer(c) + BigInt(size) & stack.mask, stack.mask)
  const old = state.eflags
  state.eflags = flagsWith(old, image, mask)
  state.rip = i.nextRip
  // SMAP looks at AC.
  if ((state.eflags ^ old) & L.FLAG_AC) c.modeChanged()
  c.interruptsMayFlow()
  // TF takes effect after the next instruction: leave so that it is stepped.
  if (state.flag(L.FLAG_TF)) c.debugChanged()
  return STATUS_JUMP
}

/** True when CLI and STI act on VIF instead (CPL 3 in virtual-8086 mode with VME, or protected mode with PVI). */
function virtualInterrupts(c: SystemContext): boolean {
  const { state } = c
  if (state.cpl <= state.iopl && !(state.virtual8086 && state.iopl < 3)) return false
  const enabled = state.virtual8086 ? state.cr4 & CR4_VME : state.cpl === 3 && state.cr4 & CR4_PVI
  if (!enabled) throw new GuestFault(GP, 0)
  return true
}

export const cli: HostFunction = (c) => {
  const { state } = c
  const virtual = state.protectedMode && virtualInterrupts(c)
  state.setFlag(virtual ? L.FLAG_VIF : L.FLAG_IF, false)
}

export const sti: HostFunction = (c, i) => {
  const { state } = c
  if (state.protectedMode && virtualInterrupts(c)) {
    if (state.flag(L.FLAG_VIP)) throw new GuestFault(GP, 0)
    state.setFlag(L.FLAG_VIF, true)
    return undefined
  }
  if (state.flag(L.FLAG_IF)) return undefined
  state.setFlag(L.FLAG_IF, true)
  c.inhibitInterrupts()
  state.rip = i.nextRip
  return STATUS_JUMP
}

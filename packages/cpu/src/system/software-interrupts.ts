import { CR4_VME } from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { GP, GuestFault, OF, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import { deliverOnce, deliverTaskFault, interruptReal } from './events.ts'
import type { GuestEvent } from './events.ts'
import { deliverLong } from './long-mode.ts'
import { finishTaskSwitch, TaskFault } from './task-switch.ts'
import { readTss } from './tss.ts'

function interrupt(c: SystemContext, i: HostInstruction, vector: number, kind: GuestEvent['kind']): number {
  c.suppressStep()
  const rip = i.nextRip
  if (deliverLong(c, vector, -1, kind, Number(BigInt.asUintN(32, rip)), Number(rip >> 32n))) return STATUS_JUMP
  try {
    deliverOnce(c, { vector, errorCode: -1, kind, returnRip: i.nextRip })
  } catch (thrown) {
    // The task gate's task is the current one already.
    if (thrown instanceof TaskFault) return finishTaskSwitch(c, thrown, deliverTaskFault(c))
    throw thrown
  }
  return STATUS_JUMP
}

/** INT n (SDM vol. 2A, INT; vol. 3, 21.2.5 and 21.3 for virtual-8086 mode). */
const intN: HostFunction = (c, i) => {
  const { state } = c
  const vector = Number(i.immediate & 0xffn)
  if (state.virtual8086) {
    if (state.cr4 & CR4_VME && !redirected(c, vector)) return interruptV86(c, i, vector)
    if (state.iopl < 3) throw new GuestFault(GP, 0)
  }
  return interrupt(c, i, vector, 'software')
}

/** Bit of the software interrupt redirection map, which lies in the 32 bytes below the I/O map: set means the protected-mode handler. */
function redirected(c: SystemContext, vector: number): boolean {
  const map = Number(readTss(c, 0x66, 2))
  return ((Number(readTss(c, map - 32 + (vector >> 3), 1)) >> (vector & 7)) & 1) !== 0
}

/** Method 5 or 6 of table 21-2: through the 8086 program's own vector table. */
function interruptV86(c: SystemContext, i: HostInstruction, vector: number): number {
  const { state } = c
  const pointer = Number(c.memory.read(BigInt(vector * 4), 4))
  let flags = state.eflags
  const virtual = state.iopl < 3
  if (virtual) flags = (flags & ~L.FLAG_IF) | L.FLAG_IOPL | (state.flag(L.FLAG_VIF) ? L.FLAG_IF : 0)
  interruptReal(c, pointer, BigInt(flags >>> 0), i.nextRip)
  c.suppressStep()
  state.setFlag((virtual ? L.FLAG_VIF : L.FLAG_IF) | L.FLAG_TF | L.FLAG_NT, false)
  c.modeChanged()
  return STATUS_JUMP
}

const into: HostFunction = (c, i) => (c.state.eflags & L.FLAG_OF ? interrupt(c, i, OF, 'software-breakpoint') : undefined)
const int3: HostFunction = (c, i) => interrupt(c, i, 3, 'software-breakpoint')
/** INT1 (ICEBP): #DB without the gate's privilege check, DR6 untouched. */
const int1: HostFunction = (c, i) => interrupt(c, i, 1, 'icebp')
const undefinedOpcode: HostFunction = () => {
  throw new GuestFault(UD)
}

export const INTERRUPT_FUNCTIONS: Readonly<Record<string, HostFunction>> = { int: intN, int3, int1, into, undefined: undefinedOpcode }

import { GuestFault, GP } from '../memory/fault.ts'
import type { SystemContext } from './context.ts'

export interface TaskSwitch {
  readonly how: 'jump' | 'call' | 'iret' | 'interrupt'
  /** EIP saved in the old task. */
  readonly returnRip: bigint
  /** Pushed on the new task's stack; -1: none. */
  readonly errorCode: number
  /** EFLAGS bits set in the image saved (RF of faults). */
  readonly setFlags: number
}

export function switchTask(_c: SystemContext, selector: number, _options: TaskSwitch): void {
  throw new GuestFault(GP, selector & 0xfffc)
}

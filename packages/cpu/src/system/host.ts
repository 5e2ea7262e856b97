import type { HostFunction } from './context.ts'
import { CONTROL_FUNCTIONS } from './control.ts'
import { callFar, callFarMemory, jumpFar, jumpFarMemory, retFar, retFarImmediate } from './far.ts'
import { cli, popf, pushf, sti } from './flags.ts'
import { INTEGER_FUNCTIONS } from './integer.ts'
import { iret } from './iret.ts'
import { MISC_FUNCTIONS } from './misc.ts'
import { PORT_FUNCTIONS } from './ports.ts'
import { SEGMENT_FUNCTIONS } from './segment-instructions.ts'
import { INTERRUPT_FUNCTIONS } from './software-interrupts.ts'
import { SIMD_FUNCTIONS } from './simd.ts'
import { syscall, sysenter, sysexit, sysret } from './syscall.ts'
import { UNIT_FUNCTIONS } from './units.ts'
import { X87_FUNCTIONS } from './x87-environment.ts'
import { XSAVE_FUNCTIONS } from './xsave.ts'

/** Rare instructions by the name rows use in `host(name)`. `cross-page` and `intercept` are the vCPU's own. */
export const HOST_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  ...SIMD_FUNCTIONS, ...INTEGER_FUNCTIONS, ...UNIT_FUNCTIONS,
  ...CONTROL_FUNCTIONS, ...SEGMENT_FUNCTIONS, ...PORT_FUNCTIONS, ...MISC_FUNCTIONS, ...INTERRUPT_FUNCTIONS, ...XSAVE_FUNCTIONS, ...X87_FUNCTIONS,
  cli, sti, pushf, popf, iret, syscall, sysret, sysenter, sysexit,
  'jump-far': jumpFar,
  'call-far': callFar,
  'jump-far-memory': jumpFarMemory,
  'call-far-memory': callFarMemory,
  'ret-far': retFar,
  'ret-far-immediate': retFarImmediate,
}

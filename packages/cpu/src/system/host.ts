import type { HostFunction } from './context.ts'
import { INTEGER_FUNCTIONS } from './integer.ts'
import { UNIT_FUNCTIONS } from './units.ts'

/** Rare instructions by the name rows use in `host(name)`. `cross-page` and `intercept` are the vCPU's own. */
export const HOST_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  ...INTEGER_FUNCTIONS,
  ...UNIT_FUNCTIONS,
}

import type { SystemContext } from './context.ts'

/** Power-on, INIT, or the start at page `how` of a SIPI (SDM vol. 3, table 10-1). */
export function resetState(_c: SystemContext, _how: 'power-on' | 'init' | number): void {}

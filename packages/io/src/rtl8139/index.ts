export { Rtl8139 } from './rtl8139.ts'
export type { Rtl8139Options } from './rtl8139.ts'
export type { Rtl8139State } from './state.ts'

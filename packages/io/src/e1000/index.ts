export { E1000 } from './e1000.ts'
export type { E1000Options } from './e1000.ts'
export type { E1000State } from './state.ts'

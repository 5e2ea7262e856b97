export { openTap } from './tap.ts'
export type { TapOptions } from './tap.ts'

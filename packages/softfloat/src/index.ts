export { instantiateSoftfloat, softfloatModule } from './module.ts'
export type { SoftfloatExports } from './exports.ts'

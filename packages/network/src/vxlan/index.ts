export { Vxlan } from './vxlan.ts'
export type { VxlanNetwork, VxlanOptions, VxlanPortOptions } from './vxlan.ts'

export * from './spec.ts'
export { DualPic } from './dual-pic.ts'
export { InterruptRouter, type InterruptRouterTargets, PIRQ_GSI_BASE, PIT_GSI } from './interrupt-router.ts'
export { type DualPicState, type Pic8259State } from './state.ts'

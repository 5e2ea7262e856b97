export * from './spec.ts'
export { Hpet, type HpetOptions } from './hpet.ts'
export { type HpetState, type HpetTimerState } from './state.ts'

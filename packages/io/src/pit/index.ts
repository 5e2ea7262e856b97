export * from './spec.ts'
export { Pit8254 } from './pit8254.ts'
export { type PitChannelState, type PitState } from './state.ts'

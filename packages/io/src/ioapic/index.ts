export * from './spec.ts'
export { IoApic } from './ioapic.ts'
export { type IoApicState } from './state.ts'

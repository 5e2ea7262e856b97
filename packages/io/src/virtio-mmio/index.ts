export { EmptyVirtioMmioSlot } from './empty-slot.ts'
export { SLOT_LENGTH } from './spec.ts'

export * from './spec.ts'
export { MsiCapability } from './msi-capability.ts'
export { MsixCapability, type MsixState } from './msix-capability.ts'

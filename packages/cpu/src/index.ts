export { SoftwareVcpu } from './vcpu.ts'
export type { SoftwareVcpuOptions } from './vcpu.ts'
export type { ApicRegisters, ParavirtualMsrs } from './system/context.ts'
export type { CpuModel } from './system/cpuid/model.ts'

export * from './control.ts'
export * from './cpuid.ts'
export * from './msr.ts'
export * from './paging.ts'

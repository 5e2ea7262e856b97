export * from './aml.ts'
export * from './resources.ts'

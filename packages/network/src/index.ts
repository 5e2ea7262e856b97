export * from './codec/index.ts'
export * from './nat/index.ts'
export * from './switch/index.ts'

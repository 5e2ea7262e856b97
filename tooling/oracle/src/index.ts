export * from './case.ts'
export * from './layout.ts'
export { buildHarness } from './build-harness.ts'
export { RealCpu } from './real-cpu.ts'

export * from './spec.ts'
export { type CmosBootDevice, type CmosContents, fillCmos } from './cmos.ts'
export { Rtc } from './rtc.ts'
export { type RtcState } from './state.ts'

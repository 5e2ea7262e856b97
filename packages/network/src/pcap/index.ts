export { capturePort } from './capture.ts'
export type { CaptureOptions } from './capture.ts'

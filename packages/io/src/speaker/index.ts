export * from './spec.ts'
export { SpeakerPort, type SpeakerState, type SpeakerTimer } from './speaker.ts'

export { VirtioBalloon } from './virtio-balloon.ts'
export type { BalloonStatistics, GuestPages, VirtioBalloonOptions, VirtioBalloonState } from './virtio-balloon.ts'

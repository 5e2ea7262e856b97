export type { VsockConnection } from './connection.ts'
export { VirtioVsock } from './virtio-vsock.ts'
export type { VirtioVsockOptions, VirtioVsockState } from './virtio-vsock.ts'

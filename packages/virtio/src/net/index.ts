export type { VirtioNetDeviceOptions } from './options.ts'
export { VirtioNet } from './virtio-net.ts'
export type { VirtioNetState } from './virtio-net.ts'

export type { VirtioDevice, VirtioHost } from './device.ts'
export type { DescriptorChain, Virtqueue } from './queue/virtqueue.ts'

export type { DescriptorChain, Virtqueue } from '@entresol/interfaces'

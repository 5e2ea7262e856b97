export type { VirtioDevice, VirtioHost } from '@entresol/interfaces'

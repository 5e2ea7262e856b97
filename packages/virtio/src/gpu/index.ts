export type { CursorState, ResourceState, VirtioGpuState } from './state.ts'
export { VirtioGpu } from './virtio-gpu.ts'
export type { VirtioGpuOptions } from './virtio-gpu.ts'

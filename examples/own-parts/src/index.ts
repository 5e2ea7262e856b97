export { ChunkedDisk } from './chunked-disk.ts'
export { ETHERTYPE_LOOPBACK, LOOPBACK_FORWARD, LOOPBACK_REPLY, LoopbackStation } from './loopback-station.ts'
export { STOPWATCH_DEVICE_ID, VirtioStopwatch } from './virtio-stopwatch.ts'
export type { VirtioStopwatchState } from './virtio-stopwatch.ts'

/** virtio 1.2, numbers of its sections. What all devices share; each device has a spec.ts of its own. */

/** 2.1 Device Status Field. */
export const STATUS_ACKNOWLEDGE = 1
export const STATUS_DRIVER = 2
export const STATUS_DRIVER_OK = 4
export const STATUS_FEATURES_OK = 8
export const STATUS_DEVICE_NEEDS_RESET = 64
export const STATUS_FAILED = 128

/** 6 Reserved Feature Bits. */
export const VIRTIO_F_INDIRECT_DESC: bigint = 1n << 28n
export const VIRTIO_F_EVENT_IDX: bigint = 1n << 29n
export const VIRTIO_F_VERSION_1: bigint = 1n << 32n
export const VIRTIO_F_RING_PACKED: bigint = 1n << 34n
export const VIRTIO_F_IN_ORDER: bigint = 1n << 35n
export const VIRTIO_F_NOTIFICATION_DATA: bigint = 1n << 38n
export const VIRTIO_F_RING_RESET: bigint = 1n << 40n

/** What a transport can offer for its rings; VERSION_1 goes without saying. */
export const RING_FEATURES: bigint = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER |
  VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_RING_RESET

/** 2.6, 2.7: entries of a queue. */
export const MAX_QUEUE_SIZE = 32768
/** 2.6: queues of a device that a 16-bit index with a reserved value can name. */
export const MAX_QUEUES = 65535

/** 4.1.4.3, 4.2.2: why the device interrupts. */
export const INTERRUPT_USED = 1
export const INTERRUPT_CONFIG = 2

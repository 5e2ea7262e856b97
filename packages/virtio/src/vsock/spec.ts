/** virtio 1.2, 5.10 Socket Device. */

export const VIRTIO_ID_VSOCK = 19
/** 5.10.3 */
export const F_STREAM: bigint = 1n << 0n

/** 5.10.2 */
export const RX = 0
export const TX = 1
export const EVENT = 2

/** 5.10.4: CIDs below 3 and all ones are reserved; the host is 2. */
export const CID_HOST = 2
export const MIN_GUEST_CID = 3
export const MAX_GUEST_CID = 0xffff_fffe

/** 5.10.6 struct virtio_vsock_hdr. */
export const HDR_SRC_CID = 0
export const HDR_DST_CID = 8
export const HDR_SRC_PORT = 16
export const HDR_DST_PORT = 20
export const HDR_LEN = 24
export const HDR_TYPE = 28
export const HDR_OP = 30
export const HDR_FLAGS = 32
export const HDR_BUF_ALLOC = 36
export const HDR_FWD_CNT = 40
export const HDR_BYTES = 44

export const TYPE_STREAM = 1
export const OP_REQUEST = 1
export const OP_RESPONSE = 2
export const OP_RST = 3
export const OP_SHUTDOWN = 4
export const OP_RW = 5
export const OP_CREDIT_UPDATE = 6
export const OP_CREDIT_REQUEST = 7

/** Flags of OP_SHUTDOWN: who sends it will not receive, not send any more. */
export const SHUTDOWN_RECEIVE = 1
export const SHUTDOWN_SEND = 2
export const SHUTDOWN_BOTH = 3

export const EVENT_TRANSPORT_RESET = 0
export const EVENT_BYTES = 4

/** virtio 1.2, 5.7 GPU Device, 2D part. */

export const VIRTIO_ID_GPU = 16
/** 5.7.3 */
export const F_EDID: bigint = 1n << 1n
export const CONTROLQ = 0
export const CURSORQ = 1

/** 5.7.4 struct virtio_gpu_config, le32 each. */
export const CONFIG_EVENTS_READ = 0
export const CONFIG_EVENTS_CLEAR = 4
export const CONFIG_NUM_SCANOUTS = 8
export const CONFIG_BYTES = 16
export const EVENT_DISPLAY = 1

/** 5.7.6.7 struct virtio_gpu_ctrl_hdr. */
export const HDR_TYPE = 0
export const HDR_FLAGS = 4
export const HDR_FENCE_ID = 8
export const HDR_CTX_ID = 16
export const HDR_BYTES = 24
export const FLAG_FENCE = 1

export const CMD_GET_DISPLAY_INFO = 0x100
export const CMD_RESOURCE_CREATE_2D = 0x101
export const CMD_RESOURCE_UNREF = 0x102
export const CMD_SET_SCANOUT = 0x103
export const CMD_RESOURCE_FLUSH = 0x104
export const CMD_TRANSFER_TO_HOST_2D = 0x105
export const CMD_RESOURCE_ATTACH_BACKING = 0x106
export const CMD_RESOURCE_DETACH_BACKING = 0x107
export const CMD_GET_EDID = 0x10a
export const CMD_UPDATE_CURSOR = 0x300
export const CMD_MOVE_CURSOR = 0x301
export const RESP_OK_NODATA = 0x1100
export const RESP_OK_DISPLAY_INFO = 0x1101
export const RESP_OK_EDID = 0x1104
export const RESP_ERR_UNSPEC = 0x1200
export const RESP_ERR_OUT_OF_MEMORY = 0x1201
export const RESP_ERR_INVALID_SCANOUT_ID = 0x1202
export const RESP_ERR_INVALID_RESOURCE_ID = 0x1203
export const RESP_ERR_INVALID_PARAMETER = 0x1205

/** 5.7.6.8: bytes of each request, header included. */
export const REQUEST_BYTES: Readonly<Record<number, number>> = {
  [CMD_GET_DISPLAY_INFO]: 24, [CMD_RESOURCE_CREATE_2D]: 40, [CMD_RESOURCE_UNREF]: 32, [CMD_SET_SCANOUT]: 48, [CMD_RESOURCE_FLUSH]: 48,
  [CMD_TRANSFER_TO_HOST_2D]: 56, [CMD_RESOURCE_ATTACH_BACKING]: 32, [CMD_RESOURCE_DETACH_BACKING]: 32, [CMD_GET_EDID]: 32,
  [CMD_UPDATE_CURSOR]: 56, [CMD_MOVE_CURSOR]: 56,
}
/** A display in RESP_OK_DISPLAY_INFO: x, y, width, height, enabled, flags. */
export const MAX_SCANOUTS = 16
export const DISPLAY_BYTES = 24
/** RESP_OK_EDID: size, padding, edid. */
export const EDID_AT: number = HDR_BYTES + 8
export const EDID_ROOM = 1024
export const MEM_ENTRY_BYTES = 16
export const CURSOR_SIZE = 64

/** enum virtio_gpu_formats: where red, green, blue and alpha are in a pixel, by byte; alpha -1: there is none. */
export const FORMATS: Readonly<Record<number, readonly [number, number, number, number]>> = {
  1: [2, 1, 0, 3], 2: [2, 1, 0, -1], 3: [1, 2, 3, 0], 4: [1, 2, 3, -1], 67: [0, 1, 2, 3], 68: [3, 2, 1, -1], 121: [3, 2, 1, 0], 134: [0, 1, 2, -1],
}
export const PIXEL_BYTES = 4

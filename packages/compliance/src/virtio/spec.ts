/** virtio 1.2 as the suite's own driver knows it, so that no implementation is judged by its own constants. 4.2.2: registers. */
export const MMIO = {
  magic: 0x00, version: 0x04, deviceId: 0x08, vendorId: 0x0c, deviceFeatures: 0x10, deviceFeaturesSel: 0x14, driverFeatures: 0x20, driverFeaturesSel: 0x24,
  queueSel: 0x30, queueNumMax: 0x34, queueNum: 0x38, queueReady: 0x44, queueNotify: 0x50, interruptStatus: 0x60, interruptAck: 0x64, status: 0x70,
  queueDesc: 0x80, queueDriver: 0x90, queueDevice: 0xa0, queueReset: 0xc0, configGeneration: 0xfc, config: 0x100,
} as const
export const MAGIC = 0x74726976

/** 2.1 */
export const STATUS = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const

/** 6 */
export const FEATURE: Readonly<Record<'indirect' | 'eventIdx' | 'version1' | 'packed' | 'inOrder' | 'notificationData' | 'ringReset', bigint>> = {
  indirect: 1n << 28n, eventIdx: 1n << 29n, version1: 1n << 32n, packed: 1n << 34n, inOrder: 1n << 35n, notificationData: 1n << 38n, ringReset: 1n << 40n,
}

/** 2.7.5, 2.8.13 */
export const DESC = { next: 1, write: 2, indirect: 4, packedAvail: 0x80, packedUsed: 0x8000 } as const

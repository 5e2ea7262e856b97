import type { DeviceOptions } from './options.ts'

export interface BootDevice {
  readonly index: number
  /** Open Firmware path, of which SeaBIOS reads the bus, slot and function. */
  readonly path: string
}

const NODES: Readonly<Record<string, readonly [bus: string, device: string]>> = {
  'virtio-blk': ['scsi', 'disk@0,0'], 'virtio-net': ['ethernet', 'ethernet-phy@0'],
}

/** How firmware is told of a device it may boot from; undefined for others, and for those without an index. */
export function bootDevice(options: DeviceOptions, slot: number, fn: number): BootDevice | undefined {
  const node = NODES[options.type]
  if (!node || !('bootIndex' in options) || options.bootIndex === undefined) return undefined
  const place = fn === 0 ? slot.toString(16) : `${slot.toString(16)},${fn}`
  return { index: options.bootIndex, path: `/pci@i0cf8/${node[0]}@${place}/${node[1]}` }
}

/** The file `bootorder` of fw_cfg: one path a line, the first to be tried first, closed by a zero byte. */
export function bootOrderFile(devices: readonly BootDevice[]): Uint8Array {
  return new TextEncoder().encode(`${[...devices].sort((a, b) => a.index - b.index).map(({ path }) => path).join('\n')}\0`)
}

import type { FrameOffloads, NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import * as spec from './spec.ts'

export interface VirtioNetDeviceOptions {
  readonly name?: string
  readonly port: NetworkPort
  /** Six bytes, not a group address. */
  readonly mac: Uint8Array
  /** Pairs of queues, 1 to 16. Default 1. */
  readonly queuePairs?: number
  /** Entries of each queue, a power of two from 64 to 4096. Default 1024. */
  readonly queueSize?: number
  /** Bytes behind the Ethernet header, 68 to 65,535. Default: the driver's choice, 1500 as a rule. */
  readonly mtu?: number
}

const CONTROL_QUEUE_SIZE = 64

/** Throws `virtio-net-options`. */
function required(holds: boolean, name: string, wanted: string): void {
  if (!holds) throw new CodedError('virtio-net-options', `${name}: ${wanted}`)
}

export interface NetParameters {
  readonly name: string
  readonly pairs: number
  readonly features: bigint
  readonly queueSizes: readonly number[]
  readonly config: Uint8Array
}

export function netParameters(options: VirtioNetDeviceOptions): NetParameters {
  const { name = 'virtio-net', port, mac, queuePairs = 1, queueSize = 1024, mtu } = options
  required(mac.length === 6 && (mac[0]! & 1) === 0, name, 'the MAC address has six bytes and is no group address')
  required(Number.isInteger(queuePairs) && queuePairs >= 1 && queuePairs <= 16, name, 'there are 1 to 16 pairs of queues')
  required(queueSize >= 64 && queueSize <= 4096 && (queueSize & (queueSize - 1)) === 0, name, 'a queue has a power of two of entries, 64 to 4096')
  required(mtu === undefined || (Number.isInteger(mtu) && mtu >= 68 && mtu <= 0xffff), name, 'the MTU is 68 to 65,535')
  const config = new Uint8Array(spec.CONFIG_BYTES)
  const view = new DataView(config.buffer)
  config.set(mac, spec.CONFIG_MAC)
  view.setUint16(spec.CONFIG_STATUS, port.linkUp ? spec.S_LINK_UP : 0, true)
  view.setUint16(spec.CONFIG_MAX_VIRTQUEUE_PAIRS, queuePairs, true)
  view.setUint16(spec.CONFIG_MTU, mtu ?? 0, true)
  const features = spec.F_MAC | spec.F_STATUS | spec.F_MRG_RXBUF | spec.GUEST_OFFLOADS | spec.F_CTRL_GUEST_OFFLOADS | spec.F_CTRL_VQ | spec.F_CTRL_RX
    | spec.F_CTRL_RX_EXTRA | spec.F_CTRL_VLAN | spec.F_CTRL_MAC_ADDR | spec.F_GUEST_ANNOUNCE | hostFeatures(port.offloads)
    | (queuePairs > 1 ? spec.F_MQ : 0n) | (mtu !== undefined ? spec.F_MTU : 0n)
  return { name, pairs: queuePairs, features, queueSizes: [...new Array<number>(2 * queuePairs).fill(queueSize), CONTROL_QUEUE_SIZE], config }
}

/** What the driver may leave undone: what the port takes so. */
function hostFeatures({ checksum, tso4, tso6, uso }: FrameOffloads): bigint {
  if (!checksum) return 0n
  return spec.F_CSUM | (tso4 ? spec.F_HOST_TSO4 : 0n) | (tso6 ? spec.F_HOST_TSO6 : 0n) | (uso ? spec.F_HOST_USO : 0n)
}

/** What the driver takes unfinished, by the guest offloads that are on. */
export function acceptedOffloads(on: bigint): FrameOffloads {
  const has = (feature: bigint): boolean => (on & feature) !== 0n
  const checksum = has(spec.F_GUEST_CSUM)
  const uso = has(spec.F_GUEST_USO4) && has(spec.F_GUEST_USO6)
  return { checksum, tso4: checksum && has(spec.F_GUEST_TSO4), tso6: checksum && has(spec.F_GUEST_TSO6), uso: checksum && uso }
}

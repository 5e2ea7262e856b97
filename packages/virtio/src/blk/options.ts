import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { MAX_QUEUE_SIZE } from '../spec.ts'
import * as spec from './spec.ts'

export interface VirtioBlkDeviceOptions {
  /** Default `virtio-blk`. */
  readonly name?: string
  readonly backend: BlockBackend
  /** At most 20 ASCII characters. */
  readonly serial?: string
  /** Default as the backend is. */
  readonly readOnly?: boolean
  /** Request queues, 1 (default) to 64. */
  readonly queues?: number
  /** Entries of each, default 256. */
  readonly queueSize?: number
  /** Bytes, powers of two from 512 to 32768; default 512 both. */
  readonly logicalBlockSize?: number
  readonly physicalBlockSize?: number
  /** Default true. */
  readonly discard?: boolean
  /** The cache is write-back until the driver says otherwise, default true. */
  readonly writeBack?: boolean
}

const MAX_QUEUES = 64
/** Sectors of one discard or write-zeroes segment: 1 GiB, so that one request does not occupy a host for long. */
const MAX_RANGE_SECTORS = 2 ** 21
const MAX_RANGE_SEGMENTS = 16

/** Options with nothing left open. */
export interface BlkParameters {
  readonly name: string
  readonly readOnly: boolean
  readonly queues: number
  readonly queueSize: number
  readonly features: bigint
  readonly config: Uint8Array
  readonly serial: Uint8Array
  readonly maxRangeSectors: number
  readonly maxRangeSegments: number
}

/** Throws `virtio-blk-options`. */
export function blkParameters(options: VirtioBlkDeviceOptions): BlkParameters {
  const {
    name = 'virtio-blk', backend, serial = '', readOnly = backend.readOnly, queues = 1, queueSize = 256,
    logicalBlockSize = spec.SECTOR, physicalBlockSize = logicalBlockSize, discard = true, writeBack = true,
  } = options
  const need = (condition: boolean, what: string): void => {
    if (!condition) throw new CodedError('virtio-blk-options', `${name}: ${what}`)
  }
  const isBlockSize = (bytes: number): boolean => bytes >= spec.SECTOR && bytes <= 32768 && Number.isInteger(Math.log2(bytes))
  need(Number.isInteger(queues) && queues >= 1 && queues <= MAX_QUEUES, `${queues} queues; there can be 1 to ${MAX_QUEUES}`)
  need(queueSize >= 4 && queueSize <= MAX_QUEUE_SIZE && Number.isInteger(Math.log2(queueSize)), `queues of ${queueSize} entries`)
  need(/^[\x20-\x7e]{0,20}$/.test(serial), `serial '${serial}': at most 20 ASCII characters`)
  need(isBlockSize(logicalBlockSize) && isBlockSize(physicalBlockSize) && physicalBlockSize >= logicalBlockSize,
    `blocks of ${logicalBlockSize} and ${physicalBlockSize} bytes`)
  need(readOnly || !backend.readOnly, 'its disk is read-only')
  const config = new Uint8Array(spec.CONFIG_BYTES)
  const view = new DataView(config.buffer)
  view.setBigUint64(spec.CONFIG_CAPACITY, BigInt(Math.floor(backend.size / spec.SECTOR)), true)
  view.setUint32(spec.CONFIG_SEG_MAX, queueSize - 2, true)
  view.setUint32(spec.CONFIG_BLK_SIZE, logicalBlockSize, true)
  config[spec.CONFIG_PHYSICAL_BLOCK_EXP] = Math.log2(physicalBlockSize / logicalBlockSize)
  view.setUint16(spec.CONFIG_MIN_IO_SIZE, physicalBlockSize / logicalBlockSize, true)
  config[spec.CONFIG_WRITEBACK] = writeBack ? 1 : 0
  view.setUint16(spec.CONFIG_NUM_QUEUES, queues, true)
  const ranges = !readOnly
  if (ranges) {
    view.setUint32(spec.CONFIG_MAX_DISCARD_SECTORS, MAX_RANGE_SECTORS, true)
    view.setUint32(spec.CONFIG_MAX_DISCARD_SEG, MAX_RANGE_SEGMENTS, true)
    view.setUint32(spec.CONFIG_DISCARD_ALIGNMENT, physicalBlockSize / spec.SECTOR, true)
    view.setUint32(spec.CONFIG_MAX_WRITE_ZEROES_SECTORS, MAX_RANGE_SECTORS, true)
    view.setUint32(spec.CONFIG_MAX_WRITE_ZEROES_SEG, MAX_RANGE_SEGMENTS, true)
    config[spec.CONFIG_WRITE_ZEROES_MAY_UNMAP] = discard ? 1 : 0
  }
  const features = spec.F_SEG_MAX | spec.F_BLK_SIZE | spec.F_FLUSH | spec.F_TOPOLOGY | spec.F_CONFIG_WCE |
    (queues > 1 ? spec.F_MQ : 0n) | (readOnly ? spec.F_RO : 0n) | (ranges ? spec.F_WRITE_ZEROES | (discard ? spec.F_DISCARD : 0n) : 0n)
  const id = new Uint8Array(spec.ID_BYTES)
  new TextEncoder().encodeInto(serial, id)
  return { name, readOnly, queues, queueSize, features, config, serial: id, maxRangeSectors: MAX_RANGE_SECTORS, maxRangeSegments: MAX_RANGE_SEGMENTS }
}

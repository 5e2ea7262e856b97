import type { Element } from '@entresol/compliance'
import * as spec from '../../src/blk/spec.ts'

/** Elements of a request: header, data to write, room for data, room for the status. */
export function request(type: number, sector: number | bigint = 0, options: { data?: Uint8Array; room?: number } = {}): Element[] {
  const header = new Uint8Array(spec.HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(spec.REQUEST_TYPE, type, true)
  view.setBigUint64(spec.REQUEST_SECTOR, BigInt(sector), true)
  return [
    { readable: header }, ...(options.data ? [{ readable: options.data }] : []), ...(options.room === undefined ? [] : [{ writable: options.room }]), { writable: 1 },
  ]
}

/** A segment of a discard or write-zeroes request. */
export function segment(sector: number, sectors: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(spec.SEGMENT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(sector), true)
  view.setUint32(spec.SEGMENT_SECTORS, sectors, true)
  view.setUint32(spec.SEGMENT_FLAGS, flags, true)
  return bytes
}

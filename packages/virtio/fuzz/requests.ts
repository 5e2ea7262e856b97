import type { Element } from '@entresol/compliance'
import * as ninep from '../src/9p/spec.ts'
import { MessageWriter } from '../src/9p/wire.ts'
import * as gpu from '../src/gpu/spec.ts'
import * as net from '../src/net/spec.ts'
import * as vsock from '../src/vsock/spec.ts'
import type { Choice } from './choice.ts'

/** A buffer that says something in a device's own language, true or not. */
export type RequestOf = (choice: Choice) => Element[]

const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)

/** Cut somewhere, one time in eight. */
const cut = (choice: Choice, bytes: Uint8Array): Uint8Array => (choice.once(8) ? bytes.subarray(0, 1 + choice.below(bytes.length)) : bytes)

const NAMES = ['a', 'b', 'c', '..', '.', '', 'x/y', '/etc', 'a\0', 'é'.repeat(150)]
type Field = 'fid' | 'u8' | 'u16' | 'u32' | 'u64' | 'name' | 'names' | 'data' | 'version'

const NINEP: readonly (readonly [number, ...Field[]])[] = [
  [ninep.TVERSION, 'u32', 'version'], [ninep.TATTACH, 'fid', 'u32', 'name', 'name', 'u32'], [ninep.TATTACH, 'fid', 'u32', 'name', 'name', 'u32'],
  [ninep.TWALK, 'fid', 'fid', 'names'], [ninep.TWALK, 'fid', 'fid', 'names'], [ninep.TLOPEN, 'fid', 'u32'], [ninep.TLCREATE, 'fid', 'name', 'u32', 'u32', 'u32'],
  [ninep.TREAD, 'fid', 'u64', 'u32'], [ninep.TWRITE, 'fid', 'u64', 'data'], [ninep.TREADDIR, 'fid', 'u64', 'u32'], [ninep.TGETATTR, 'fid', 'u64'],
  [ninep.TSETATTR, 'fid', 'u32', 'u32', 'u32', 'u32', 'u64', 'u64', 'u64', 'u64', 'u64'], [ninep.TMKDIR, 'fid', 'name', 'u32', 'u32'],
  [ninep.TSYMLINK, 'fid', 'name', 'name', 'u32'], [ninep.TMKNOD, 'fid', 'name', 'u32', 'u32', 'u32', 'u32'], [ninep.TLINK, 'fid', 'fid', 'name'],
  [ninep.TRENAME, 'fid', 'fid', 'name'], [ninep.TRENAMEAT, 'fid', 'name', 'fid', 'name'], [ninep.TUNLINKAT, 'fid', 'name', 'u32'], [ninep.TREMOVE, 'fid'],
  [ninep.TREADLINK, 'fid'], [ninep.TSTATFS, 'fid'], [ninep.TFSYNC, 'fid', 'u32'], [ninep.TLOCK, 'fid', 'u8', 'u32', 'u64', 'u64', 'u32', 'name'],
  [ninep.TGETLOCK, 'fid', 'u8', 'u64', 'u64', 'u32', 'name'], [ninep.TXATTRWALK, 'fid', 'fid', 'name'], [ninep.TFLUSH, 'u16'], [ninep.TCLUNK, 'fid'],
]
/** Flags and modes that open, create and set something. */
const NUMBERS = [0, 1, 2, 0o100644, 0o40755, ninep.O_TRUNC | 2, ninep.O_EXCL | 2, ninep.AT_REMOVEDIR, 0x1ff, 4096]

function putField(message: MessageWriter, field: Field, choice: Choice): void {
  switch (field) {
    case 'fid': return void message.u32(choice.below(8))
    case 'u8': return void message.u8(choice.below(4))
    case 'u16': return void message.u16(choice.below(20))
    case 'u32': return void message.u32(choice.once(2) ? choice.of(NUMBERS) : choice.u32())
    case 'u64': return void message.u64(choice.once(4) ? BigInt(choice.u32()) << BigInt(choice.below(33)) : choice.below(5000))
    case 'name': return void message.string(choice.of(NAMES))
    case 'version': return void message.string(choice.once(8) ? '9P2000' : ninep.VERSION_9P2000_L)
    case 'data': {
      const bytes = choice.bytes(choice.below(300))
      return message.u32(bytes.length).space(bytes.length).set(bytes)
    }
    case 'names': {
      const count = choice.below(choice.once(8) ? 20 : 4)
      message.u16(count)
      for (let n = 0; n < count; n++) message.string(choice.of(NAMES.slice(0, 5)))
    }
  }
}

/** A message of a 9P client. */
export function ninepMessage(choice: Choice): Uint8Array {
  const [type, ...fields] = choice.of(NINEP)
  const message = new MessageWriter(type, choice.below(20))
  for (const field of fields) putField(message, field, choice)
  const bytes = message.finish()
  if (choice.once(16)) bytes[choice.below(bytes.length)] = choice.below(256)
  return cut(choice, bytes)
}

const GPU_COMMANDS = Object.keys(gpu.REQUEST_BYTES).map(Number)

function vsockPacket(choice: Choice): Uint8Array {
  const payload = choice.bytes(choice.below(200))
  const bytes = new Uint8Array(vsock.HDR_BYTES + payload.length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(vsock.HDR_SRC_CID, choice.once(16) ? 9n : 3n, true)
  view.setBigUint64(vsock.HDR_DST_CID, 2n, true)
  view.setUint32(vsock.HDR_SRC_PORT, choice.below(4), true)
  view.setUint32(vsock.HDR_DST_PORT, choice.of([1000, 1000, 7, 0x4000_0000, 0x4000_0001]), true)
  view.setUint32(vsock.HDR_LEN, choice.once(8) ? choice.u32() : payload.length, true)
  view.setUint16(vsock.HDR_TYPE, choice.once(16) ? 2 : 1, true)
  view.setUint16(vsock.HDR_OP, choice.below(9), true)
  view.setUint32(vsock.HDR_FLAGS, choice.below(4), true)
  view.setUint32(vsock.HDR_BUF_ALLOC, choice.of([0, 10, 4096, 65_536, 0xffff_ffff]), true)
  view.setUint32(vsock.HDR_FWD_CNT, choice.once(4) ? choice.u32() : choice.below(300), true)
  bytes.set(payload, vsock.HDR_BYTES)
  return bytes
}

function netPacket(choice: Choice): Uint8Array {
  const frame = choice.bytes(20 + choice.below(1600))
  frame.set([8, 0, 0x45], 12)
  const header = Uint8Array.of(
    choice.below(2), choice.of([0, 1, 4, 5, 3, 0x81]), 54, 0, choice.below(256), choice.below(6), choice.of([34, 54, 14, 255]), choice.once(16) ? 9 : 0,
    choice.of([16, 6, 255]), 0, 0, 0,
  )
  return new Uint8Array([...header, ...frame])
}

/** By the name of the device; queues take what they get. */
export const REQUESTS: Readonly<Record<string, RequestOf>> = {
  '9p': (choice) => [{ readable: ninepMessage(choice) }, { writable: choice.of([16, 200, 4096, 9000]) }],
  gpu: (choice) => {
    const command = words(choice.of(GPU_COMMANDS), choice.below(2), choice.u32(), 0, 0, 0, ...Array.from({ length: choice.below(12) }, () => choice.once(6) ? choice.u32() : choice.below(20)))
    return [{ readable: cut(choice, command) }, ...(choice.once(4) ? [] : [{ writable: choice.of([24, 408, 1056]) }])]
  },
  vsock: (choice) => [choice.once(4) ? { writable: 44 + choice.below(300) } : { readable: cut(choice, vsockPacket(choice)) }],
  net: (choice) => choice.once(3)
    ? [{ readable: Uint8Array.of(choice.below(7), choice.below(7), ...choice.bytes(choice.below(40))) }, { writable: 1 }]
    : choice.once(3) ? [{ writable: net.HDR_BYTES + choice.below(2000) }] : [{ readable: cut(choice, netPacket(choice)) }],
  balloon: (choice) => choice.once(3)
    ? [{ writable: 4096 * (1 + choice.below(4)) }]
    : [{ readable: words(...Array.from({ length: 1 + choice.below(40) }, () => (choice.once(2) ? 512 + choice.below(512) : choice.u32()))) }],
  input: (choice) => [choice.once(2) ? { writable: 8 } : { readable: Uint8Array.of(0x11, 0, choice.below(4), 0, choice.below(2), 0, 0, 0) }],
}

import fc from 'fast-check'
import * as spec from '../../src/9p/spec.ts'
import { MessageWriter } from '../../src/9p/wire.ts'

type Field = (m: MessageWriter) => unknown

const fid = fc.nat(5).map((n): Field => (m) => m.u32(n))
const u8 = fc.nat(4).map((n): Field => (m) => m.u8(n))
const u16 = fc.nat(20).map((n): Field => (m) => m.u16(n))
const u32 = fc.oneof(fc.nat(8), fc.constantFrom(0o100644, 0o40755, 0x200, 0o1000, 0o200, 4096, 0xffff_ffff), fc.nat()).map((n): Field => (m) => m.u32(n))
const u64 = fc.oneof(fc.nat(100).map(BigInt), fc.constantFrom(0n, 1n << 31n, (1n << 53n) - 1n, (1n << 64n) - 1n)).map((n): Field => (m) => m.u64(n))
const string = fc.oneof(fc.constantFrom('a', 'b', 'c', 'd', '..', '.', '', '/etc', 'x/y', 'a\0b', 'é'.repeat(200)), fc.string()).map((s): Field => (m) => m.string(s))
const data = fc.uint8Array({ maxLength: 100 }).map((bytes): Field => (m) => m.u32(bytes.length).space(bytes.length).set(bytes))
const names = fc.array(fc.constantFrom('a', 'b', '..', 'c'), { maxLength: 18 }).map((list): Field => (m) => {
  m.u16(list.length)
  for (const name of list) m.string(name)
})

/** The fields of each message, so that what is sent often means something. */
const formats: [number, fc.Arbitrary<Field>[]][] = [
  [spec.TSTATFS, [fid]], [spec.TLOPEN, [fid, u32]], [spec.TLCREATE, [fid, string, u32, u32, u32]], [spec.TSYMLINK, [fid, string, string, u32]],
  [spec.TMKNOD, [fid, string, u32, u32, u32, u32]], [spec.TRENAME, [fid, fid, string]], [spec.TREADLINK, [fid]], [spec.TGETATTR, [fid, u64]],
  [spec.TSETATTR, [fid, u32, u32, u32, u32, u64, u64, u64, u64, u64]], [spec.TXATTRWALK, [fid, fid, string]], [spec.TREADDIR, [fid, u64, u32]],
  [spec.TFSYNC, [fid, u32]], [spec.TLOCK, [fid, u8, u32, u64, u64, u32, string]], [spec.TGETLOCK, [fid, u8, u64, u64, u32, string]],
  [spec.TLINK, [fid, fid, string]], [spec.TMKDIR, [fid, string, u32, u32]], [spec.TRENAMEAT, [fid, string, fid, string]],
  [spec.TUNLINKAT, [fid, string, u32]], [spec.TVERSION, [u32, fc.constant<Field>((m) => m.string('9P2000.L'))]],
  [spec.TATTACH, [fid, u32, string, string, u32]], [spec.TFLUSH, [u16]], [spec.TWALK, [fid, fid, names]], [spec.TREAD, [fid, u64, u32]],
  [spec.TWRITE, [fid, u64, data]], [spec.TCLUNK, [fid]], [spec.TREMOVE, [fid]],
]

const formed = fc.oneof(...formats.map(([type, fields]) => fc.tuple(fc.nat(0xffff), fc.tuple(...fields)).map(([tag, values]) => {
  const message = new MessageWriter(type, tag)
  for (const value of values) value(message)
  return message.finish()
})))

const mangled = fc.tuple(formed, fc.nat(), fc.nat(255), fc.nat()).map(([message, at, value, length]) => {
  const changed = message.slice()
  changed[at % changed.length] = value
  return changed.subarray(0, length % 3 === 0 ? length % (changed.length + 1) : changed.length)
})

/** 9P messages of a client that wants to do harm: formed ones, ones with a byte changed or cut short, and noise. */
export const messages: fc.Arbitrary<Uint8Array> = fc.oneof({ weight: 8, arbitrary: formed }, { weight: 2, arbitrary: mangled }, fc.uint8Array({ maxLength: 64 }))

import { CodedError } from '@entresol/kit'
import { ByteView, hex, sizeText } from '../bytes.ts'
import * as spec from './spec.ts'

/** The facts of a bzImage's setup header that decide how it is loaded. Addresses and sizes in bytes. */
export interface LinuxHeader {
  /** Boot protocol version, major in the high byte. */
  readonly protocol: number
  /** The header as it stands in the image, for boot_params: from setup_sects (0x1f1) to its end. */
  readonly raw: Uint8Array
  /** The protected-mode part of the image. */
  readonly code: Uint8Array
  readonly relocatable: boolean
  /** Alignment the load address must have when relocatable. */
  readonly alignment: number
  readonly preferredAddress: number
  /** Memory the kernel needs from its load address on before it can look at the memory map. */
  readonly initSize: number
  readonly has64BitEntry: boolean
  readonly initrdAddressMax: number
  /** Without the terminating zero. */
  readonly commandLineMax: number
  readonly acceptsRsdp: boolean
  readonly versionText: string | undefined
}

/** True when the bytes carry the signature of a Linux kernel image ("HdrS" behind a boot sector). */
export function isLinuxImage(image: Uint8Array): boolean {
  const view = new ByteView(image)
  return view.u16(spec.BOOT_FLAG) === spec.BOOT_FLAG_MAGIC && view.u32(spec.HEADER) === spec.HEADER_MAGIC
}

function bad(what: string): CodedError {
  return new CodedError('bad-kernel', `Linux kernel image: ${what}`)
}

/** Parses and checks a bzImage. Throws `bad-kernel`. */
export function parseLinuxHeader(image: Uint8Array): LinuxHeader {
  const view = new ByteView(image)
  if (!isLinuxImage(image)) throw bad('no setup header ("HdrS" at 0x202)')
  const protocol = view.u16(spec.VERSION)
  if (protocol < spec.MIN_PROTOCOL) throw bad(`boot protocol ${protocol >> 8}.${protocol & 0xff} is older than 2.00`)
  if ((view.u8(spec.LOADFLAGS) & spec.LOADED_HIGH) === 0) throw bad('a zImage (loaded low); only bzImage is supported')
  const end = spec.HEADER + view.u8(spec.JUMP_OFFSET)
  const setup = ((view.u8(spec.SETUP_SECTS) || spec.DEFAULT_SETUP_SECTS) + 1) * spec.SECTOR
  if (end > setup || !view.has(0, setup)) throw bad(`truncated: ${sizeText(image.length)}, the setup part alone has ${sizeText(setup)}`)

  // A field counts only when the protocol version has it and the header is long enough to hold it.
  const field = (since: number, offset: number, length: number): boolean => protocol >= since && offset + length <= end
  const u32 = (since: number, offset: number, otherwise: number): number => field(since, offset, 4) ? view.u32(offset) : otherwise
  const code = image.subarray(setup)
  checkComplete(view, code, protocol)

  const relocatable = field(0x205, spec.RELOCATABLE_KERNEL, 1) && view.u8(spec.RELOCATABLE_KERNEL) !== 0
  const alignment = u32(0x205, spec.KERNEL_ALIGNMENT, 4096)
  if (relocatable && (alignment < 1 || (alignment & (alignment - 1)) !== 0)) throw bad(`kernel_alignment ${hex(alignment)} is no power of two`)
  const preferredAddress = field(0x20a, spec.PREF_ADDRESS, 8) ? view.address(spec.PREF_ADDRESS) : spec.DEFAULT_LOAD_ADDRESS
  return {
    protocol,
    raw: image.subarray(spec.SETUP_SECTS, end),
    code,
    relocatable,
    alignment: Math.max(alignment, 4096),
    preferredAddress: preferredAddress === 0 ? spec.DEFAULT_LOAD_ADDRESS : preferredAddress,
    initSize: Math.max(u32(0x20a, spec.INIT_SIZE, 0), code.length),
    has64BitEntry: field(0x20c, spec.XLOADFLAGS, 2) && (view.u16(spec.XLOADFLAGS) & spec.XLF_KERNEL_64) !== 0,
    initrdAddressMax: u32(0x203, spec.INITRD_ADDR_MAX, spec.DEFAULT_INITRD_ADDR_MAX),
    commandLineMax: u32(0x206, spec.CMDLINE_SIZE, spec.DEFAULT_CMDLINE_SIZE),
    acceptsRsdp: protocol >= 0x20e,
    versionText: versionText(view, setup)
  }
}

function checkComplete(view: ByteView, code: Uint8Array, protocol: number): void {
  if (code.length === 0) throw bad('truncated: nothing behind the setup part')
  // syssize counts 16-byte paragraphs, rounded up; only since 2.04 is it wide enough to be believed.
  const announced = protocol >= 0x204 ? view.u32(spec.SYSSIZE) * 16 : 0
  if (code.length + 15 < announced) {
    throw bad(`truncated: ${sizeText(code.length)} of ${sizeText(announced)} of code are there`)
  }
  if (protocol < 0x208) return
  const payload = view.u32(spec.PAYLOAD_OFFSET) + view.u32(spec.PAYLOAD_LENGTH)
  if (payload > code.length) throw bad(`truncated: the compressed kernel ends at ${hex(payload)} of ${hex(code.length)}`)
}

/** kernel_version: "if set to a nonzero value, contains a pointer to a NUL-terminated human-readable string, less 0x200". */
function versionText(view: ByteView, setup: number): string | undefined {
  const pointer = view.u16(spec.KERNEL_VERSION)
  if (pointer === 0 || pointer + 0x200 >= setup) return undefined
  const bytes = view.bytes.subarray(pointer + 0x200, Math.min(setup, pointer + 0x200 + 128))
  const length = bytes.indexOf(0)
  const text = new TextDecoder('latin1').decode(length < 0 ? bytes : bytes.subarray(0, length))
  return /^[\x20-\x7e]+$/.test(text) ? text : undefined
}

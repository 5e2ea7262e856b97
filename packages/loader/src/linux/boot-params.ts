import { CodedError } from '@entresol/kit'
import { cString } from '../bytes.ts'
import { type MemoryRegion, memoryTypeNumber } from '../memory/map.ts'
import type { Placement } from '../memory/placement.ts'
import * as spec from './spec.ts'

/** A VGA text mode, for the guest's console (struct screen_info). */
export interface TextScreen {
  /** BIOS mode number: 3 is 80×25 colour text. */
  readonly mode: number
  readonly columns: number
  readonly lines: number
  /** Height of a character cell in scan lines. */
  readonly points: number
  readonly cursorX: number
  readonly cursorY: number
}

export const VGA_TEXT: TextScreen = { mode: 3, columns: 80, lines: 25, points: 16, cursorX: 0, cursorY: 0 }

export interface BootParams {
  /** Setup header to start from, as it stands in the image; undefined for a bare vmlinux. */
  readonly header: Uint8Array | undefined
  readonly loadAddress: number
  readonly commandLine: number
  readonly initrd: { readonly base: number; readonly length: number } | undefined
  readonly rsdp: number | undefined
  readonly screen: TextScreen | 'none' | undefined
}

/** struct boot_params for the 32-bit and 64-bit entries (boot.rst, "32-bit Boot Protocol"): zeroed, the header copied in, then filled. */
export function encodeBootParams(map: readonly MemoryRegion[], params: BootParams): Uint8Array {
  const bytes = new Uint8Array(spec.BOOT_PARAMS_SIZE)
  const view = new DataView(bytes.buffer)
  if (params.header) bytes.set(params.header, spec.SETUP_SECTS)
  else {
    view.setUint16(spec.BOOT_FLAG, spec.BOOT_FLAG_MAGIC, true)
    view.setUint32(spec.HEADER, spec.HEADER_MAGIC, true)
    view.setUint16(spec.VERSION, 0x20f, true)
    view.setUint8(spec.LOADFLAGS, spec.LOADED_HIGH)
    view.setUint32(spec.KERNEL_ALIGNMENT, 0x100_0000, true)
  }
  view.setUint8(spec.TYPE_OF_LOADER, spec.LOADER_UNDEFINED)
  view.setUint16(spec.VID_MODE, spec.VID_MODE_NORMAL, true)
  view.setUint32(spec.CODE32_START, params.loadAddress, true)
  view.setUint32(spec.RAMDISK_IMAGE, params.initrd?.base ?? 0, true)
  view.setUint32(spec.RAMDISK_SIZE, params.initrd?.length ?? 0, true)
  view.setUint32(spec.CMD_LINE_PTR, params.commandLine, true)
  // No setup_data list: the field is the loader's to fill, whatever the image says.
  if (!params.header || spec.SETUP_SECTS + params.header.length >= spec.SETUP_DATA + 8) view.setBigUint64(spec.SETUP_DATA, 0n, true)
  view.setBigUint64(spec.ACPI_RSDP_ADDR, BigInt(params.rsdp ?? 0), true)
  if (params.screen !== 'none') setScreen(view, params.screen ?? VGA_TEXT)
  setMemoryMap(view, map)
  return bytes
}

function setScreen(view: DataView, screen: TextScreen): void {
  view.setUint8(spec.SCREEN_ORIG_X, screen.cursorX)
  view.setUint8(spec.SCREEN_ORIG_Y, screen.cursorY)
  view.setUint8(spec.SCREEN_ORIG_VIDEO_MODE, screen.mode)
  view.setUint8(spec.SCREEN_ORIG_VIDEO_COLS, screen.columns)
  // INT 10h AH=12h BL=10h answers BX: colour, 256 KiB; Linux tells EGA and VGA from "no answer" (0x10) by it.
  view.setUint16(spec.SCREEN_ORIG_VIDEO_EGA_BX, 0x0003, true)
  view.setUint8(spec.SCREEN_ORIG_VIDEO_LINES, screen.lines)
  view.setUint8(spec.SCREEN_ORIG_VIDEO_ISVGA, spec.VIDEO_TYPE_VGAC)
  view.setUint16(spec.SCREEN_ORIG_VIDEO_POINTS, screen.points, true)
}

function setMemoryMap(view: DataView, map: readonly MemoryRegion[]): void {
  if (map.length > spec.E820_MAX_ENTRIES) {
    throw new CodedError('bad-memory-map', `memory map: ${map.length} ranges, boot_params holds ${spec.E820_MAX_ENTRIES}`)
  }
  view.setUint8(spec.E820_ENTRIES, map.length)
  map.forEach((region, i) => {
    const at = spec.E820_TABLE + i * spec.E820_ENTRY_SIZE
    view.setBigUint64(at, BigInt(region.base), true)
    view.setBigUint64(at + 8, BigInt(region.length), true)
    view.setUint32(at + 16, memoryTypeNumber(region.type), true)
  })
  // Older kernels take the size from here: KiB above 1 MiB, contiguous.
  const high = map.find(region => region.type === 'ram' && region.base <= 0x100000 && region.base + region.length > 0x100000)
  view.setUint32(spec.ALT_MEM_K, high ? Math.floor((high.base + high.length - 0x100000) / 1024) : 0, true)
}

/** Puts the command line into low memory. Throws `cmdline-too-long` for more than `limit` bytes without the zero. */
export function placeCommandLine(placement: Placement, text: string, limit: number): number {
  const bytes = cString(text)
  if (bytes.length - 1 > limit) {
    throw new CodedError('cmdline-too-long', `kernel command line of ${bytes.length - 1} bytes; this kernel takes ${limit}`)
  }
  const base = placement.table('command line', bytes.length, 16)
  placement.write(base, bytes)
  return base
}

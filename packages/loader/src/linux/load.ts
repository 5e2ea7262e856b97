import { CodedError } from '@entresol/kit'
import { alignUp, hex, sizeText } from '../bytes.ts'
import { type BootEntry, longModeEntry, protectedModeEntry } from '../entry/entry.ts'
import { placeModule } from '../memory/modules.ts'
import type { Placement } from '../memory/placement.ts'
import type { LoadRequest } from '../request.ts'
import { encodeBootParams, placeCommandLine } from './boot-params.ts'
import { type LinuxHeader, parseLinuxHeader } from './header.ts'
import * as spec from './spec.ts'

const FOUR_GIB = 0x1_0000_0000

/** boot.rst, "pref_address": the address a relocatable kernel likes best; elsewhere it must be aligned, and init_size must fit. */
function chooseAddress(placement: Placement, header: LinuxHeader): number {
  const fits = (base: number): boolean =>
    base + header.initSize <= FOUR_GIB && placement.isRam(base, header.initSize) && !placement.conflict(base, header.initSize)
  const preferred = header.relocatable ? alignUp(header.preferredAddress, header.alignment) : header.preferredAddress
  if (fits(preferred)) return preferred
  const other = header.relocatable
    ? placement.lowest(header.initSize, header.alignment, spec.DEFAULT_LOAD_ADDRESS, FOUR_GIB)
    : undefined
  if (other === undefined) {
    throw new CodedError('kernel-too-large',
      `Linux kernel needs ${sizeText(header.initSize)} of guest memory at ${hex(preferred)}, which is not there; give the guest more memory`)
  }
  return other
}

/** Loads a bzImage for its 64-bit entry, or its 32-bit entry where it has no other. */
export function loadLinux(placement: Placement, request: LoadRequest): { entry: BootEntry; version?: string } {
  const header = parseLinuxHeader(request.kernel)
  const base = chooseAddress(placement, header)
  placement.claim('kernel', base, header.initSize)
  placement.write(base, header.code)

  const linux = linuxParameters(placement, request, {
    header: header.raw, loadAddress: base, commandLineMax: header.commandLineMax,
    initrdLimit: Math.min(header.initrdAddressMax + 1, FOUR_GIB), acceptsRsdp: header.acceptsRsdp
  })
  const entry = header.has64BitEntry
    ? longModeEntry(placement, base + spec.ENTRY_64_OFFSET, { rsi: linux })
    : protectedModeEntry(placement, base, { rsi: linux })
  return { entry, ...(header.versionText === undefined ? {} : { version: header.versionText }) }
}

export interface LinuxParameters {
  readonly header: Uint8Array | undefined
  readonly loadAddress: number
  readonly commandLineMax: number
  readonly initrdLimit: number
  readonly acceptsRsdp: boolean
}

/** Places command line, initrd and boot_params; returns the address of boot_params. */
export function linuxParameters(placement: Placement, request: LoadRequest, how: LinuxParameters): number {
  const params = placement.table('boot_params', spec.BOOT_PARAMS_SIZE, 4096)
  const commandLine = placeCommandLine(placement, request.commandLine ?? '', how.commandLineMax)
  const data = request.initrd
  const initrd = data && data.length > 0 ? { base: placeModule(placement, 'initrd', data, how.initrdLimit), length: data.length } : undefined
  placement.write(params, encodeBootParams(placement.map, {
    header: how.header, loadAddress: how.loadAddress, commandLine, initrd,
    rsdp: how.acceptsRsdp ? request.rsdp : undefined, screen: request.screen
  }))
  return params
}

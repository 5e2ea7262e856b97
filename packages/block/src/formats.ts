import type { ImageFormat } from './format.ts'
import { qcow2 } from './qcow2/qcow2.ts'
import { raw } from './raw/raw.ts'
import { vdi } from './vdi/vdi.ts'
import { vpc } from './vhd/vhd.ts'
import { vhdx } from './vhdx/vhdx.ts'
import { vmdk } from './vmdk/vmdk.ts'

/** Every format there is, one line each. */
export const formats: readonly ImageFormat[] = [
  raw,
  qcow2,
  vdi,
  vpc,
  vhdx,
  vmdk,
]

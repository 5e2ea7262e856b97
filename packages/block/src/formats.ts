import type { ImageFormat } from './format.ts'
import { raw } from './raw/raw.ts'
import { vdi } from './vdi/vdi.ts'
import { vpc } from './vhd/vhd.ts'

/** Every format there is, one line each. */
export const formats: readonly ImageFormat[] = [
  raw,
  vdi,
  vpc,
]

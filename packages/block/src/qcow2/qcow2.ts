import type { ImageFormat } from '../format.ts'
import { create, createOptions } from './create.ts'
import { Qcow2Image } from './image.ts'
import { MAGIC } from './spec.ts'

/** QEMU's copy-on-write format, versions 2 and 3. */
export const qcow2: ImageFormat = {
  name: 'qcow2',
  probe(start) {
    if (start.length < 8) return 0
    const view = new DataView(start.buffer, start.byteOffset, start.byteLength)
    return view.getUint32(0) === MAGIC && view.getUint32(4) >= 2 ? 100 : 0
  },
  open: (store, options) => Qcow2Image.open(store, options),
  create,
  createOptions,
}

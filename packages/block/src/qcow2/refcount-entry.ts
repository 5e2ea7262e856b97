/** Refcounts of 2^order bits in a block; those of less than a byte fill it from its lowest bits up. Widths beyond 2^53 count as 2^53 - 1. */
export function getRefcount(view: DataView, index: number, order: number): number {
  switch (order) {
    case 3: return view.getUint8(index)
    case 4: return view.getUint16(index * 2)
    case 5: return view.getUint32(index * 4)
    case 6: return Math.min(view.getUint32(index * 8) * 2 ** 32 + view.getUint32(index * 8 + 4), Number.MAX_SAFE_INTEGER)
    default: {
      const bits = 1 << order
      const perByte = 8 / bits
      return view.getUint8(Math.floor(index / perByte)) >> index % perByte * bits & (1 << bits) - 1
    }
  }
}

export function setRefcount(view: DataView, index: number, order: number, value: number): void {
  switch (order) {
    case 3: return view.setUint8(index, value)
    case 4: return view.setUint16(index * 2, value)
    case 5: return view.setUint32(index * 4, value)
    case 6:
      view.setUint32(index * 8, Math.floor(value / 2 ** 32))
      return view.setUint32(index * 8 + 4, value >>> 0)
    default: {
      const bits = 1 << order
      const perByte = 8 / bits
      const at = Math.floor(index / perByte)
      const shift = index % perByte * bits
      return view.setUint8(at, view.getUint8(at) & ~((1 << bits) - 1 << shift) | value << shift)
    }
  }
}

/** Largest refcount an image can hold. */
export const maxRefcount = (order: number): number => Math.min(2 ** 2 ** order - 1, Number.MAX_SAFE_INTEGER)

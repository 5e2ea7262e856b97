/** Small images of every format, built from the specifications, with every field a test may want to change. */
export interface BzImageOptions {
  protocol?: number
  loadflags?: number
  xloadflags?: number
  relocatable?: number
  alignment?: number
  preferredAddress?: bigint
  initSize?: number
  initrdAddressMax?: number
  commandLineSize?: number
  code?: Uint8Array
}

export const CODE: Uint8Array = Uint8Array.from({ length: 4096 }, (_, i) => i * 7 & 0xff)

export function bzImage(options: BzImageOptions = {}): Uint8Array {
  const code = options.code ?? CODE
  const image = new Uint8Array(1024 + code.length)
  const view = new DataView(image.buffer)
  image[0x1f1] = 1
  view.setUint32(0x1f4, Math.ceil(code.length / 16), true)
  view.setUint16(0x1fe, 0xaa55, true)
  image.set([0xeb, 0x6a], 0x200)
  image.set(new TextEncoder().encode('HdrS'), 0x202)
  view.setUint16(0x206, options.protocol ?? 0x20f, true)
  view.setUint16(0x20e, 0x100, true)
  image.set(new TextEncoder().encode('6.1.0-test #1\0'), 0x300)
  image[0x211] = options.loadflags ?? 1
  view.setUint32(0x214, 0x100000, true)
  view.setUint32(0x22c, options.initrdAddressMax ?? 0x7fffffff, true)
  view.setUint32(0x230, options.alignment ?? 0x200000, true)
  image[0x234] = options.relocatable ?? 1
  view.setUint16(0x236, options.xloadflags ?? 0x7f, true)
  view.setUint32(0x238, options.commandLineSize ?? 2047, true)
  view.setBigUint64(0x250, 0xdeadbeefn, true)
  view.setBigUint64(0x258, options.preferredAddress ?? 0x1000000n, true)
  view.setUint32(0x260, options.initSize ?? 0x200000, true)
  image.set(code, 1024)
  return image
}

export interface Segment {
  physical: number
  virtual?: bigint
  data: Uint8Array
  memorySize?: number
}

export interface Note {
  owner: string
  type: number
  descriptor: Uint8Array
}

function noteBytes({ owner, type, descriptor }: Note): Uint8Array {
  const name = new TextEncoder().encode(`${owner}\0`)
  const descriptorAt = 12 + Math.ceil(name.length / 4) * 4
  const bytes = new Uint8Array(descriptorAt + Math.ceil(descriptor.length / 4) * 4)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, name.length, true)
  view.setUint32(4, descriptor.length, true)
  view.setUint32(8, type, true)
  bytes.set(name, 12)
  bytes.set(descriptor, descriptorAt)
  return bytes
}

export function elf(bits: 32 | 64, entry: bigint, segments: readonly Segment[], notes: readonly Note[] = []): Uint8Array {
  const wide = bits === 64
  const headerSize = wide ? 64 : 52
  const entrySize = wide ? 56 : 32
  const parts: (Segment & { type: number })[] = [...segments.map(segment => ({ type: 1, ...segment })), ...notes.map(note => ({ type: 4, physical: 0, data: noteBytes(note) }))]
  let at = headerSize + parts.length * entrySize
  const image = new Uint8Array(parts.reduce((sum, part) => sum + part.data.length, at))
  const view = new DataView(image.buffer)
  const word = (offset32: number, offset64: number, value: bigint): void => {
    if (wide) view.setBigUint64(offset64, value, true)
    else view.setUint32(offset32, Number(value), true)
  }
  image.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, wide ? 62 : 3, true)
  word(24, 24, entry)
  word(28, 32, BigInt(headerSize))
  view.setUint16(wide ? 54 : 42, entrySize, true)
  view.setUint16(wide ? 56 : 44, parts.length, true)
  parts.forEach((part, i) => {
    const base = headerSize + i * entrySize
    const memorySize = part.memorySize ?? part.data.length
    view.setUint32(base, part.type, true)
    word(base + 4, base + 8, BigInt(at))
    word(base + 8, base + 16, part.virtual ?? BigInt(part.physical))
    word(base + 12, base + 24, BigInt(part.physical))
    word(base + 16, base + 32, BigInt(part.data.length))
    word(base + 20, base + 40, BigInt(memorySize))
    word(base + 28, base + 48, 4n)
    image.set(part.data, at)
    at += part.data.length
  })
  return image
}

function words(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => view.setUint32(i * 4, value >>> 0, true))
  return new Uint8Array(view.buffer)
}

/** A flat Multiboot 1 image loaded at `load` with the header `offset` bytes in. */
export function multiboot1(load = 0x100000, offset = 64, flags = 0x10003): Uint8Array {
  const image = new Uint8Array(4096).fill(0x90)
  image.set(words(0x1badb002, flags, -(0x1badb002 + flags), load + offset, load, 0, load + 8192, load + 128), offset)
  return image
}

/** A flat Multiboot 2 image: address tag, entry tag, end tag. */
export function multiboot2(load = 0x100000, offset = 64): Uint8Array {
  const image = new Uint8Array(4096).fill(0x90)
  const tags = [
    ...words(2, 24, load + offset, load, 0, load + 8192), ...words(3, 12, load + 256, 0), ...words(0, 8)
  ]
  const length = 16 + tags.length
  image.set([...words(0xe85250d6, 0, length, -(0xe85250d6 + length)), ...tags], offset)
  return image
}

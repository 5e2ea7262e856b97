import type { Gfn, Gpa, GuestMemory, MachineAddress, MachineMemory, Mfn, PhysicalMap } from '@entresol/interfaces'

const coded = (code: string): Error => Object.assign(new Error(code), { code })

/** Bugs a memory can be given; each has a test that some law names it. */
export type MemoryBug =
  | 'stale-ram' | 'no-page-crossing' | 'smears' | 'big-endian' | 'signed' | 'hole-zero' | 'hole-writable' | 'drops-straddling' | 'rom-writable'
  | 'isram-first-byte' | 'size-nan' | 'throws' | 'one-frame' | 'moves' | 'unaligned-frame' | 'hole-zero-frame' | 'rom-minus-one' | 'peek-allocates'
  | 'silent-host-write' | 'wrong-host-write' | 'silent-withdraw' | 'wraps-gfn' | 'private-frames'

export class SimpleMachine implements MachineMemory {
  wasm: WebAssembly.Memory
  u8: Uint8Array
  u32: Uint32Array
  frames: number
  taken: Uint8Array
  zeroes = true
  constructor(megabytes: number) {
    this.wasm = new WebAssembly.Memory({ initial: megabytes * 16, maximum: megabytes * 16 })
    this.u8 = new Uint8Array(this.wasm.buffer)
    this.u32 = new Uint32Array(this.wasm.buffer)
    this.frames = megabytes * 256
    this.taken = new Uint8Array(this.frames)
    this.taken[0] = 1
  }
  get framesUsed(): number {
    return this.taken.reduce((sum, taken) => sum + taken, 0)
  }
  protected find(count: number, step: number): Mfn {
    for (let mfn = 0; mfn + count <= this.frames; mfn += step) {
      if (this.taken.subarray(mfn, mfn + count).every((taken) => taken === 0)) {
        this.taken.fill(1, mfn, mfn + count)
        if (this.zeroes) this.u8.fill(0, mfn * 4096, (mfn + count) * 4096)
        return mfn as Mfn
      }
    }
    throw coded('machine-memory-exhausted')
  }
  allocate(order: number): Mfn {
    return this.find(2 ** order, 2 ** order)
  }
  free(mfn: Mfn, order: number): void {
    this.taken.fill(0, mfn, mfn + 2 ** order)
  }
  reserve(bytes: number): MachineAddress {
    return (this.find(Math.ceil(bytes / 4096), 1) * 4096) as MachineAddress
  }
}

/** A simple GuestMemory and PhysicalMap: RAM 0..1 MiB, ROM at 0xf0000000. With a bug it breaks one of their laws. */
export class SimpleGuest implements GuestMemory, PhysicalMap {
  size: number
  addressMask = -1
  machine: SimpleMachine = new SimpleMachine(4)
  bug: MemoryBug | undefined
  frames = new Map<number, number>()
  clean = new Set<number>()
  private hostWrites: ((address: MachineAddress, length: number) => void)[] = []
  private invalidations: ((firstGfn: Gfn, count: number) => void)[] = []

  constructor(bug?: MemoryBug) {
    this.bug = bug
    this.size = bug === 'size-nan' ? Number.NaN : 2 ** 20
    const rom = this.machine.allocate(0)
    this.machine.u8.fill(0x90, rom * 4096, rom * 4096 + 4096)
    this.frames.set(0xf0000, rom)
  }

  frameForRead(gfn: Gfn): number {
    if (this.bug === 'wraps-gfn') gfn = (gfn & 0xfffff) as Gfn
    if (this.bug === 'hole-zero-frame' && gfn === 0x80000) return 0
    if (!(gfn >= 0 && gfn < 256) && gfn !== 0xf0000) return -1
    if (this.bug === 'one-frame') gfn = 16 as Gfn
    if (!this.frames.has(gfn)) {
      const mfn = this.machine.allocate(0)
      if (this.bug === 'stale-ram') this.machine.u8[mfn * 4096 + 1000] = 0x11
      this.frames.set(gfn, mfn)
    }
    const address = this.frames.get(gfn)! * 4096
    return this.bug === 'unaligned-frame' ? address + 4 : address
  }

  frameForWrite(gfn: Gfn): number {
    if (gfn === 0xf0000 && this.bug !== 'rom-writable') return this.bug === 'rom-minus-one' ? -1 : -2
    if (this.bug === 'moves') this.frames.delete(gfn)
    this.clean.delete(gfn)
    return this.frameForRead(gfn)
  }

  peek(gfn: Gfn, forWrite: boolean): number {
    if (this.bug === 'peek-allocates') this.frameForRead(gfn)
    if (gfn === 0xf0000 && forWrite) return -2
    if (this.bug === 'wraps-gfn') return this.frameForRead(gfn)
    if (!(gfn >= 0 && gfn < 256) && gfn !== 0xf0000) return -1
    if (!this.frames.has(gfn) || (forWrite && this.clean.has(gfn))) return -3
    return this.frameForRead(gfn)
  }

  onInvalidate(listener: (firstGfn: Gfn, count: number) => void): void {
    this.invalidations.push(listener)
  }

  onHostWrite(listener: (address: MachineAddress, length: number) => void): void {
    this.hostWrites.push(listener)
  }

  withdrawWrites(): void {
    this.clean = new Set(Array.from({ length: 256 }, (_, gfn) => gfn))
    if (this.bug !== 'silent-withdraw') for (const listener of this.invalidations) listener(0 as Gfn, 256)
  }

  read(gpa: Gpa, into: Uint8Array): void {
    if (this.bug === 'throws' && !(gpa < 2 ** 40)) throw new RangeError('address')
    for (let at = 0; at < into.length; at++) {
      const gfn = Math.floor((gpa + at) / 4096) as Gfn
      const frame = this.frameForRead(this.bug === 'no-page-crossing' ? (Math.floor(gpa / 4096) as Gfn) : gfn)
      const nothing = this.bug === 'hole-zero' ? 0 : 0xff
      into[at] = frame < 0 ? this.holeBytes[gpa + at] ?? nothing : this.bug === 'private-frames' ? this.shadow[gpa + at] ?? 0 : this.machine.u8[frame + ((gpa + at) % 4096)]!
    }
  }

  private shadow: Record<number, number> = {}
  private holeBytes: Record<number, number> = {}

  write(gpa: Gpa, from: Uint8Array): void {
    if (this.bug === 'drops-straddling' && !this.isRam(gpa, from.length)) return
    const length = this.bug === 'smears' ? Math.ceil(from.length / 4) * 4 : from.length
    for (let at = 0; at < length; at++) {
      const frame = this.frameForWrite(Math.floor((gpa + at) / 4096) as Gfn)
      if (frame < 0) {
        if (this.bug === 'hole-writable') this.holeBytes[gpa + at] = from[at]!
        continue
      }
      this.shadow[gpa + at] = from[at] ?? 0
      const address = frame + ((gpa + at) % 4096)
      this.machine.u8[address] = from[at] ?? 0
      if (this.bug === 'silent-host-write') continue
      for (const listener of this.hostWrites) listener((this.bug === 'wrong-host-write' ? gpa + at : address) as MachineAddress, 1)
    }
  }

  private load(gpa: number, bytes: number): DataView {
    const into = new Uint8Array(8)
    this.read(gpa as Gpa, into.subarray(0, bytes))
    return new DataView(into.buffer)
  }

  private store(gpa: number, bytes: number, value: bigint): void {
    const from = new Uint8Array(8)
    new DataView(from.buffer).setBigUint64(0, value, true)
    this.write(gpa as Gpa, from.subarray(0, bytes))
  }

  readU8(gpa: Gpa): number {
    return this.load(gpa, 1).getUint8(0)
  }
  readU16(gpa: Gpa): number {
    return this.load(gpa, 2).getUint16(0, this.bug !== 'big-endian')
  }
  readU32(gpa: Gpa): number {
    return this.bug === 'signed' ? this.load(gpa, 4).getInt32(0, true) : this.load(gpa, 4).getUint32(0, true)
  }
  readU64(gpa: Gpa): bigint {
    return this.load(gpa, 8).getBigUint64(0, true)
  }
  writeU8(gpa: Gpa, value: number): void {
    this.store(gpa, 1, BigInt(value))
  }
  writeU16(gpa: Gpa, value: number): void {
    this.store(gpa, 2, BigInt(value))
  }
  writeU32(gpa: Gpa, value: number): void {
    this.store(gpa, 4, BigInt(value))
  }
  writeU64(gpa: Gpa, value: bigint): void {
    this.store(gpa, 8, value)
  }
  isRam(gpa: Gpa, length: number): boolean {
    return gpa >= 0 && gpa + (this.bug === 'isram-first-byte' ? 1 : length) <= 2 ** 20
  }
}

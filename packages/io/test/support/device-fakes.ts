import type { AccessSize, BlockBackend, BlockExtent, BusDevice, CharacterPort, Clock, Gpa, GuestMemory, InterruptLine, Timer } from '@entresol/interfaces'

/** A clock that moves when told. */
export class ManualClock implements Clock {
  time = 0
  timers: { at: number; call: () => void }[] = []
  now(): number { return this.time }
  wallClock(): number { return 0 }
  schedule(deadline: number, callback: () => void): Timer {
    const entry = { at: deadline, call: callback }
    this.timers.push(entry)
    return { cancel: () => { this.timers = this.timers.filter((t) => t !== entry) } }
  }
  advance(ns: number): void {
    const end = this.time + ns
    for (;;) {
      const next = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.timers = this.timers.filter((t) => t !== next)
      this.time = Math.max(this.time, next.at)
      next.call()
    }
    this.time = end
  }
}

/** Counts rising edges, as an edge-triggered controller would. */
export class RecordingLine implements InterruptLine {
  level = false
  edges = 0
  set(asserted: boolean): void {
    if (asserted && !this.level) this.edges++
    this.level = asserted
  }
}

export class FakePort implements CharacterPort {
  sent: number[] = []
  kept: number[] = []
  #listener: (bytes: Uint8Array) => number = () => 0
  write(bytes: Uint8Array): void { this.sent.push(...bytes) }
  onData(listener: (bytes: Uint8Array) => number): void { this.#listener = listener }
  resume(): void {
    if (this.kept.length === 0) return
    const offered = this.kept
    this.kept = []
    const taken = this.#listener(Uint8Array.from(offered))
    this.kept = [...offered.slice(taken), ...this.kept]
  }
  type(...bytes: number[]): void {
    this.kept.push(...bytes)
    this.resume()
  }
  get text(): string { return String.fromCharCode(...this.sent) }
}

/** RAM from 0 to `size`; beyond it nothing. */
export class ArrayMemory implements GuestMemory {
  readonly u8: Uint8Array
  constructor(size: number = 1 << 20) { this.u8 = new Uint8Array(size) }
  get size(): number { return this.u8.length }
  read(gpa: Gpa, into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = gpa + i < this.size ? this.u8[gpa + i] : 0xff
  }
  write(gpa: Gpa, from: Uint8Array): void {
    for (let i = 0; i < from.length && gpa + i < this.size; i++) this.u8[gpa + i] = from[i]
  }
  #get(gpa: number, n: number): bigint {
    const b = new Uint8Array(n)
    this.read(gpa as Gpa, b)
    return b.reduceRight((v, x) => (v << 8n) | BigInt(x), 0n)
  }
  #set(gpa: number, n: number, value: bigint): void {
    this.write(gpa as Gpa, Uint8Array.from({ length: n }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)))
  }
  readU8(gpa: Gpa): number { return Number(this.#get(gpa, 1)) }
  readU16(gpa: Gpa): number { return Number(this.#get(gpa, 2)) }
  readU32(gpa: Gpa): number { return Number(this.#get(gpa, 4)) }
  readU64(gpa: Gpa): bigint { return this.#get(gpa, 8) }
  writeU8(gpa: Gpa, value: number): void { this.#set(gpa, 1, BigInt(value)) }
  writeU16(gpa: Gpa, value: number): void { this.#set(gpa, 2, BigInt(value)) }
  writeU32(gpa: Gpa, value: number): void { this.#set(gpa, 4, BigInt(value)) }
  writeU64(gpa: Gpa, value: bigint): void { this.#set(gpa, 8, value) }
  isRam(gpa: Gpa, length: number): boolean { return gpa + length <= this.size }
}

export class RamBlock implements BlockBackend {
  readonly data: Uint8Array
  readonly readOnly: boolean
  fail = false
  flushes = 0
  discards: [number, number][] = []
  constructor(size: number, readOnly: boolean = false) {
    this.data = new Uint8Array(size)
    this.readOnly = readOnly
  }
  get size(): number { return this.data.length }
  async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.fail || offset < 0 || offset + into.length > this.size) throw Object.assign(new Error('io'), { code: 'io-error' })
    into.set(this.data.subarray(offset, offset + into.length))
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    const copy = from.slice()
    await Promise.resolve()
    if (this.fail || this.readOnly || offset < 0 || offset + from.length > this.size) throw Object.assign(new Error('io'), { code: 'io-error' })
    this.data.set(copy, offset)
  }
  async writeZeroes(offset: number, length: number): Promise<void> { await this.write(offset, new Uint8Array(length)) }
  async status(_offset: number, length: number): Promise<BlockExtent> { return { length, allocated: true, zero: false } }
  async flush(): Promise<void> { this.flushes++ }
  async discard(offset: number, length: number): Promise<void> { this.discards.push([offset, length]) }
  async close(): Promise<void> { /* nothing held */ }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0))
}

export function read(device: BusDevice, offset: number, size: AccessSize = 1): number {
  const value = device.read(offset, size)
  return typeof value === 'number' ? value : size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff
}

export function write(device: BusDevice, offset: number, value: number, size: AccessSize = 1): void {
  device.write(offset, size, value)
}

/** xorshift32: a seeded stream of unsigned 32-bit numbers. */
export function seeded(seed: number): () => number {
  let x = seed >>> 0 || 1
  return () => {
    x ^= x << 13
    x >>>= 0
    x ^= x >>> 17
    x ^= x << 5
    x >>>= 0
    return x
  }
}

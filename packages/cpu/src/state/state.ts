import type { MachineMemory } from '@entresol/interfaces'
import * as L from './layout.ts'

/** TypeScript's view of one vCPU's state block. 32-bit fields are unsigned numbers, 64-bit ones unsigned bigints. */
export class CpuState {
  /** Machine address of the block. */
  readonly base: number
  readonly memory: MachineMemory
  readonly view: DataView
  readonly #u32: Uint32Array
  readonly #u64: BigUint64Array
  readonly #kick: Int32Array

  /** `base`: a block that is there already, to look at. */
  constructor(memory: MachineMemory, base?: number) {
    this.memory = memory
    this.base = base ?? memory.reserve(L.BLOCK_BYTES)
    this.view = new DataView(memory.wasm.buffer)
    this.#u32 = memory.u32
    this.#u64 = new BigUint64Array(memory.wasm.buffer)
    this.#kick = new Int32Array(memory.wasm.buffer, this.base + L.KICK, 1)
    if (base !== undefined) return
    this.setU64(L.ADDRESS_MASKS, 0xffffffffffffffffn)
    this.setU64(L.ADDRESS_MASKS + 8, 0xffffffffn)
    this.setU64(L.ADDRESS_MASKS + 16, 0xffffn)
    this.setU64(L.CANONICAL_SHIFT, 16n)
  }

  u32(offset: number): number {
    return this.#u32[(this.base + offset) >>> 2]!
  }

  setU32(offset: number, value: number): void {
    this.#u32[(this.base + offset) >>> 2] = value
  }

  clearKick(): void {
    Atomics.store(this.#kick, 0, 0)
  }

  u64(offset: number): bigint {
    return this.#u64[(this.base + offset) >>> 3]!
  }

  setU64(offset: number, value: bigint): void {
    this.#u64[(this.base + offset) >>> 3] = value
  }

  gpr(number: number): bigint {
    return this.u64(L.REGS + number * 8)
  }

  setGpr(number: number, value: bigint): void {
    this.setU64(L.REGS + number * 8, value)
  }

  get rip(): bigint {
    return this.u64(L.RIP)
  }

  set rip(value: bigint) {
    this.setU64(L.RIP, value)
  }

  get cpl(): number {
    return this.u32(L.CPL)
  }

  /** Full EFLAGS image with the arithmetic flags materialised (see emit/flags.ts for the representation). */
  get eflags(): number {
    const aux = this.u32(L.FLAGS_AUX)
    const low = this.u32(L.FLAGS_RESULT)
    const high = this.u32(L.FLAGS_RESULT + 4)
    let flags = this.u32(L.EFLAGS) | (aux & (L.FLAG_CF | L.FLAG_AF | L.FLAG_OF))
    if (low === 0 && high === 0) flags |= L.FLAG_ZF
    if ((high >>> 31) ^ ((aux >>> 7) & 1)) flags |= L.FLAG_SF
    let parity = (low ^ (aux >>> 16)) & 0xff
    parity ^= parity >> 4
    parity ^= parity >> 2
    parity ^= parity >> 1
    if (!(parity & 1)) flags |= L.FLAG_PF
    return flags >>> 0
  }

  /** Sets every flag as given; bit 1 is always one, reserved bits always zero. The caller has decided what may change. */
  set eflags(value: number) {
    const zf = (value >>> 6) & 1
    const pf = (value >>> 2) & 1
    this.setU32(L.FLAGS_AUX, (value & 0x891) | ((pf ^ zf) << 16))
    this.setU64(L.FLAGS_RESULT, zf ? 0n : 1n)
    this.setU32(L.EFLAGS, ((value & 0x3f7700) | 2) >>> 0)
  }

  flag(mask: number): boolean {
    return (this.u32(L.EFLAGS) & mask) !== 0
  }

  setFlag(mask: number, on: boolean): void {
    const flags = this.u32(L.EFLAGS)
    this.setU32(L.EFLAGS, on ? flags | mask : flags & ~mask)
  }

  get cr0(): number {
    return this.u32(L.CR0)
  }

  get cr4(): number {
    return this.u32(L.CR4)
  }

  get efer(): number {
    return this.u32(L.EFER)
  }

  /** EFER.LMA. */
  get longMode(): boolean {
    return (this.u32(L.EFER) & 0x400) !== 0
  }

  /** CS.L in long mode. */
  get mode64(): boolean {
    return (this.u32(L.CODE_MODE) & L.MODE_SIZE) === L.MODE_64
  }

  get protectedMode(): boolean {
    return (this.u32(L.CR0) & 1) !== 0
  }

  get virtual8086(): boolean {
    return (this.u32(L.EFLAGS) & L.FLAG_VM) !== 0
  }

  get iopl(): number {
    return (this.u32(L.EFLAGS) >>> 12) & 3
  }

  segBase(index: number): bigint {
    return this.u64(L.segment(index) + L.SEG_BASE)
  }

  segLimit(index: number): number {
    return this.u32(L.segment(index) + L.SEG_LIMIT)
  }

  selector(index: number): number {
    return this.u32(L.segment(index) + L.SEG_SELECTOR)
  }

  attributes(index: number): number {
    return this.u32(L.segment(index) + L.SEG_ATTRIBUTES)
  }
}

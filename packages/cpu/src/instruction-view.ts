import type { CodeCache } from './code/code-cache.ts'
import type { Variant } from './decode/variants.ts'
import * as R from './interpreter/records.ts'
import type { GuestFault } from './memory/fault.ts'
import * as L from './state/layout.ts'
import type { CpuState } from './state/state.ts'
import type { HostInstruction } from './system/context.ts'

interface AddressFunctions {
  offset(cpu: number, record: number): bigint
  linear(cpu: number, record: number, segment: number, offset: bigint, access: number): bigint
}

/** A record seen as an instruction by TypeScript semantics. One object, moved from record to record. */
export class InstructionView implements HostInstruction {
  readonly #state: CpuState
  readonly #wasm: AddressFunctions
  readonly #code: CodeCache
  readonly #takeFault: () => GuestFault | undefined
  #record = 0

  constructor(state: CpuState, wasm: AddressFunctions, code: CodeCache, takeFault: () => GuestFault | undefined) {
    this.#state = state
    this.#wasm = wasm
    this.#code = code
    this.#takeFault = takeFault
  }

  at(record: number): this {
    this.#record = record
    return this
  }

  get variant(): Variant | undefined {
    return this.#code.variantOf(this.#record)
  }

  get width(): 8 | 16 | 32 | 64 {
    return this.variant?.width ?? 32
  }

  get memory(): boolean {
    return this.variant?.memory ?? false
  }

  get length(): number {
    return this.#state.view.getUint8(this.#record + R.R_LENGTH)
  }

  get rip(): bigint {
    this.#putRip(L.HOST_VALUE2, 0)
    return this.#state.u64(L.HOST_VALUE2)
  }

  get nextRip(): bigint {
    this.#putRip(L.HOST_VALUE2, this.length)
    return this.#state.u64(L.HOST_VALUE2)
  }

  leaveAt(bytes: number): void {
    this.#putRip(L.RIP, bytes)
  }

  /** The instruction pointer `bytes` behind the instruction's start to a field of the state block, without a bigint. */
  #putRip(field: number, bytes: number): void {
    const state = this.#state
    const low = state.u32(L.PAGE_RIP) + state.view.getUint16(this.#record + R.R_OFFSET, true) + bytes
    const high = state.u32(L.PAGE_RIP + 4) + (low > 0xffffffff ? 1 : 0)
    state.setU32(field, low & state.u32(L.RIP_MASK))
    state.setU32(field + 4, high & state.u32(L.RIP_MASK + 4))
  }

  get immediate(): bigint {
    return this.#state.view.getBigInt64(this.#record + R.R_IMMEDIATE, true)
  }

  get regNumber(): number {
    return this.#state.view.getUint16(this.#record + R.R_REG, true)
  }

  get rmCell(): number {
    return this.#state.view.getUint16(this.#record + R.R_RM, true)
  }

  get regCell(): number {
    return this.#state.view.getUint16(this.#record + R.R_REG, true)
  }

  get vvvvCell(): number {
    return this.#state.view.getUint16(this.#record + R.R_VVVV, true)
  }

  get vectorBytes(): 16 | 32 {
    return this.variant?.vectorBytes ?? 16
  }

  get stackSegment(): boolean {
    return (this.#state.view.getUint8(this.#record + R.R_FLAGS) & R.RECORD_STACK) !== 0
  }

  linearBehind(distance: number, size: number, write: boolean): bigint {
    const { view } = this.#state
    const legacy = view.getUint8(this.#record + R.R_FLAGS) & R.RECORD_LEGACY
    const offset = BigInt.asUintN(legacy ? 32 : 64, this.#wasm.offset(this.#state.base, this.#record) + BigInt(distance))
    return this.#segmented(view.getUint16(this.#record + R.R_SEGMENT, true), offset, size, write)
  }

  get repeat(): 'none' | 'rep' | 'repne' {
    return this.variant?.repeat ?? 'none'
  }

  get #addressBits(): 16 | 32 | 64 {
    const size = this.#state.view.getUint8(this.#record + R.R_ADDRESS) & 3
    return size === R.ADDRESS_64 ? 64 : size === R.ADDRESS_32 ? 32 : 16
  }

  addressRegister(number: number): bigint {
    return BigInt.asUintN(this.#addressBits, this.#state.gpr(number))
  }

  advanceAddressRegister(number: number, delta: number): void {
    const bits = this.#addressBits
    const value = this.#state.gpr(number)
    const moved = BigInt.asUintN(bits, value + BigInt(delta))
    this.#state.setGpr(number, bits === 16 ? (value & ~0xffffn) | moved : moved)
  }

  stringLinear(operand: 'source' | 'destination' | 'address', size: number): bigint {
    const write = operand === 'destination'
    const legacy = this.#state.view.getUint8(this.#record + R.R_FLAGS) & R.RECORD_LEGACY
    const segment = !write ? this.#state.view.getUint16(this.#record + R.R_SEGMENT, true) : legacy ? L.segment(L.SEG_ES) : L.ZERO
    return this.#segmented(segment, this.addressRegister(operand === 'address' ? 0 : write ? 7 : 6), size, write)
  }

  linearAt(offset: bigint, size: number, write: boolean): bigint {
    const segment = this.#state.view.getUint16(this.#record + R.R_SEGMENT, true)
    return this.#segmented(segment, BigInt.asUintN(this.#addressBits, offset), size, write)
  }

  vectorAddress(): { base: bigint; indexCell: number; scale: number } {
    const { view } = this.#state
    const base = this.#state.u64(view.getUint16(this.#record + R.R_BASE, true)) + BigInt(view.getInt32(this.#record + R.R_DISPLACEMENT, true))
    return { base, indexCell: view.getUint16(this.#record + R.R_INDEX, true), scale: view.getUint8(this.#record + R.R_SCALE) }
  }

  linear(size: number, write: boolean): bigint {
    const segment = this.#state.view.getUint16(this.#record + R.R_SEGMENT, true)
    return this.#segmented(segment, this.#wasm.offset(this.#state.base, this.#record), size, write)
  }

  #segmented(segment: number, offset: bigint, size: number, write: boolean): bigint {
    const linear = this.#wasm.linear(this.#state.base, this.#record, segment, offset, size | (write ? R.SLOW_WRITE : 0))
    const fault = this.#takeFault()
    if (fault) throw fault
    return BigInt.asUintN(64, linear)
  }
}

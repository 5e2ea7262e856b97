import { i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32 } from '@entresol/wasm-builder'
import type { Int, Width } from './emitter.ts'

/** Loads a `width`-bit integer zero-extended into its representation. */
export function loadInt(width: Width, address: I32, offset: number): Int {
  switch (width) {
    case 8: return i32.load8_u(address, offset)
    case 16: return i32.load16_u(address, offset)
    case 32: return i32.load(address, offset)
    default: return i64.load(address, offset)
  }
}

/** Stores the low `width` bits. */
export function storeInt(b: FunctionBuilder, width: Width, address: I32, offset: number, value: Int): void {
  if (value.type === 'i64') b.store(width === 64 ? 'i64' : width === 32 ? 'i64_32' : width === 16 ? 'i64_16' : 'i64_8', address, offset, value)
  else if (width === 64) b.store('i64', address, offset, i64.extend_i32_u(value))
  else b.store(width === 32 ? 'i32' : width === 16 ? 'i32_16' : 'i32_8', address, offset, value)
}

/** Writes a general register as x86-64 does: 32-bit results clear the upper half, narrower ones keep it. */
export function storeRegister(b: FunctionBuilder, width: Width, cell: I32, offset: number, value: Int): void {
  if (width === 32 && value.type === 'i32') b.store('i64', cell, offset, i64.extend_i32_u(value))
  else storeInt(b, width, cell, offset, value)
}

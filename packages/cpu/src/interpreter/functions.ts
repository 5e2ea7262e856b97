import { i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'
import * as R from './records.ts'

/** What `linear` returns after raising: not canonical, so that the TLB misses and `slow` sees the pending fault. */
export const REFUSED_LINEAR: bigint = 1n << 63n

const cell = (cpu: I32, record: I32, field: number): I32 => i32.add(cpu, i32.load16_u(record, field))

/** (cpu, record) → effective address truncated to the address size (SDM vol. 1, 3.7.5.1). */
export function emitOffset(b: FunctionBuilder): void {
  const cpu = b.param('i32', 0).get
  const record = b.param('i32', 1).get
  const kind = i32.load8_u(record, R.R_ADDRESS)
  const mask = i64.load(i32.add(cpu, i32.shl(i32.and(kind, i32.const(3)), i32.const(3))), L.ADDRESS_MASKS)
  b.if(i32.and(kind, i32.const(R.ADDRESS_MOFFS)), () => b.return(i64.and(i64.load(record, R.R_IMMEDIATE), mask)))
  const index = i64.shl(i64.load(cell(cpu, record, R.R_INDEX)), i64.extend_i32_u(i32.load8_u(record, R.R_SCALE)))
  const sum = i64.add(i64.add(i64.load(cell(cpu, record, R.R_BASE)), index), i64.load32_s(record, R.R_DISPLACEMENT))
  b.emit(i64.and(sum, mask))
}

/**
 * (cpu, record, segment cell, offset, access) → linear address. Outside 64-bit mode checks limit and rights
 * (SDM vol. 3, 6.3 and 6.5): #SS(0) for the stack segment, #GP(0) for others.
 */
export function emitLinear(b: FunctionBuilder, raise: number): void {
  const cpu = b.param('i32', 0).get
  const record = b.param('i32', 1).get
  const segmentCell = b.param('i32', 2).get
  const offset = b.param('i64', 3).get
  const access = b.param('i32', 4).get
  const segment = b.let(i32.add(cpu, segmentCell))
  const base = i64.load(segment, L.SEG_BASE)
  b.if(i32.eqz(i32.and(i32.load8_u(record, R.R_FLAGS), i32.const(R.RECORD_LEGACY))), () => b.return(i64.add(base, offset)))
  const size = i32.and(access, i32.const(R.SLOW_SIZE))
  const last = i64.add(offset, i64.extend_i32_u(i32.sub(size, i32.const(1))))
  const needed = i32.add(i32.and(i32.shr_u(access, i32.const(8)), i32.const(1)), i32.const(1))
  const permitted = i32.and(i32.load(segment, L.SEG_PERMISSIONS), needed)
  const inside = i32.and(i64.ge_u(offset, i64.load32_u(segment, L.SEG_FIRST)), i64.le_u(last, i64.load32_u(segment, L.SEG_LAST)))
  b.if(i32.and(i32.ne(permitted, i32.const(0)), inside), () => b.return(i64.and(i64.add(base, offset), i64.const(0xffffffffn))))
  b.if(i32.eq(segmentCell, i32.const(L.segment(L.SEG_SS))),
    () => b.call(raise, i32.const(12), i32.const(0)),
    () => b.call(raise, i32.const(13), i32.const(0)))
  const refused: I64 = i64.const(REFUSED_LINEAR)
  b.emit(refused)
}

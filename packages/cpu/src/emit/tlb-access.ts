import { i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Local } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'

/**
 * Machine address of `size` bytes at a linear address: the entry of the first byte's page must carry the tag of the last byte's,
 * so one comparison covers the page crossing too. Otherwise HOST_VALUE holds the address and `miss` sets the local, or leaves.
 */
export function tlbAccess(
  b: FunctionBuilder, cpu: I32, linear: I64, size: number, tag: typeof L.TLB_READ | typeof L.TLB_WRITE, miss: (address: Local<'i32'>) => void,
): I32 {
  const entry = b.variable(i32.add(
    i32.load(cpu, L.TLB_BASE),
    i32.and(i32.wrap_i64(i64.shr_u(linear, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))))
  const last = size === 1 ? linear : i64.add(linear, i64.const(size - 1))
  const address = b.local('i32')
  b.if(i64.eq(i64.load(entry.get, tag), i64.and(last, i64.const(-4096n))),
    () => b.set(address, i32.add(i32.wrap_i64(linear), i32.load(entry.get, L.TLB_ADDEND))),
    () => {
      b.store('i64', cpu, L.HOST_VALUE, linear)
      miss(address)
    })
  return address.get
}

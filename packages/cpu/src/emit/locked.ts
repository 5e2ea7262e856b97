import { i32, i64, select } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Label, Local } from '@entresol/wasm-builder'
import type { Int, Width } from './emitter.ts'
import { loadInt, storeInt } from './operand-access.ts'

/**
 * Locked read-modify-write in shared memory (SDM vol. 3, 9.1.2). `compute` gets the old value and gives the new one; where another processor
 * came between, it runs again, so it reads nothing that it writes. Naturally aligned operands are one compare-exchange; those inside an aligned
 * quadword are one of that quadword; those across two, and CMPXCHG16B, hold one of the LOCKS meanwhile, which makes them atomic among themselves.
 */

/** Machine address of the locks, in frame 0, which is nobody's: words of 64 bytes, one chosen by the operand's address. */
const LOCKS = 0x100
const LOCK_COUNT = 32

const PLAIN = 0
const ALIGNED = 1
const INSIDE = 2
const ACROSS = 3

const lockOf = (address: I32): I32 =>
  i32.add(i32.const(LOCKS), i32.shl(i32.and(i32.shr_u(address, i32.const(4)), i32.const(LOCK_COUNT - 1)), i32.const(6)))

function acquire(b: FunctionBuilder, lock: I32): void {
  b.loop((again) => b.brIf(again, i32.atomic.rmw.cmpxchg(lock, i32.const(0), i32.const(1))))
}

const release = (b: FunctionBuilder, lock: I32): void => b.atomicStore('i32', lock, 0, i32.const(0))

/** Leaves for `again` unless `old` was still there and is now `value`. */
function exchange(b: FunctionBuilder, width: Width, address: I32, old: Int, value: Int, again: Label): void {
  if (width === 64) {
    b.brIf(again, i64.ne(i64.atomic.rmw.cmpxchg(address, old as I64, value as I64), old as I64))
    return
  }
  const { rmw, rmw8, rmw16 } = i32.atomic
  const swap = width === 32 ? rmw.cmpxchg : width === 16 ? rmw16.cmpxchg_u : rmw8.cmpxchg_u
  const narrow = value.type === 'i64' ? i32.wrap_i64(value) : value
  b.brIf(again, i32.ne(swap(address, old as I32, narrow), old as I32))
}

/**
 * Replaces the operand at machine address `address`. `locked`: 0 for an instruction without LOCK, or an address that is not where the operand
 * is; undefined: always. Expressions are evaluated several times.
 */
export function lockedModify(b: FunctionBuilder, width: Width, address: I32, locked: I32 | undefined, compute: (old: Int) => Int): void {
  const size = width / 8
  const kind = b.variable(kindOf(address, size))
  if (locked) b.if(i32.eqz(locked), () => b.set(kind, i32.const(PLAIN)))
  b.block((done) => {
    b.loop((again) => {
      if (size > 1) b.if(i32.eq(kind.get, i32.const(ACROSS)), () => acquire(b, lockOf(address)))
      const old = b.let(loadInt(width, address, 0))
      const value = b.let(compute(old))
      b.if(i32.eq(kind.get, i32.const(ALIGNED)), () => {
        exchange(b, width, address, old, value, again)
        b.br(done)
      })
      if (size > 1) b.if(i32.eq(kind.get, i32.const(INSIDE)), () => exchangeInside(b, width, address, old, value, again, done))
      storeInt(b, width, address, 0, value)
      if (size > 1) b.if(i32.eq(kind.get, i32.const(ACROSS)), () => release(b, lockOf(address)))
    })
  })
}

function kindOf(address: I32, size: number): I32 {
  if (size === 1) return i32.const(ALIGNED)
  // Bytes up to the end of the quadword: too few mean that it goes on in the next one.
  const across = i32.gt_u(i32.add(i32.and(address, i32.const(7)), i32.const(size)), i32.const(8))
  const aligned = i32.eqz(i32.and(address, i32.const(size - 1)))
  return select(aligned, i32.const(ALIGNED), i32.add(i32.const(INSIDE), across))
}

function exchangeInside(b: FunctionBuilder, width: Width, address: I32, old: Int, value: Int, again: Label, done: Label): void {
  const wide = (x: Int): I64 => (x.type === 'i64' ? x : i64.extend_i32_u(x))
  const ones = i64.const((1n << BigInt(width)) - 1n)
  const quadword = b.let(i32.and(address, i32.const(-8)))
  const shift = b.let(i64.extend_i32_u(i32.shl(i32.and(address, i32.const(7)), i32.const(3))))
  const word = b.let(i64.load(quadword))
  b.brIf(again, i64.ne(i64.and(i64.shr_u(word, shift), ones), wide(old)))
  const kept = i64.and(word, i64.xor(i64.shl(ones, shift), i64.const(-1)))
  const replaced = b.let(i64.or(kept, i64.shl(i64.and(wide(value), ones), shift)))
  b.brIf(again, i64.ne(i64.atomic.rmw.cmpxchg(quadword, word, replaced), word))
  b.br(done)
}

/** The same for two halves of 32 or 64 bits: CMPXCHG8B and CMPXCHG16B, whose 16 bytes are aligned. */
export function lockedModifyPair(
  b: FunctionBuilder, half: 32 | 64, address: I32, locked: I32 | undefined, compute: (low: Int, high: Int) => readonly [low: Int, high: Int],
): void {
  const bytes = half / 8
  const held = b.variable(locked ?? i32.const(1))
  const aligned: Local<'i32'> | undefined = half === 32 ? b.variable(i32.and(held.get, i32.eqz(i32.and(address, i32.const(7))))) : undefined
  // Aligned doublewords are one quadword and need no lock.
  if (aligned) b.set(held, i32.and(held.get, i32.eqz(aligned.get)))
  b.if(held.get, () => acquire(b, lockOf(address)))
  b.block((done) => {
    b.loop((again) => {
      const both = aligned ? b.let(i64.load(address)) : undefined
      const low = b.let(both ? i32.wrap_i64(both) : i64.load(address))
      const high = b.let(both ? i32.wrap_i64(i64.shr_u(both, i64.const(32))) : i64.load(address, bytes))
      const computed = compute(low, high)
      const [newLow, newHigh] = [b.let(computed[0]), b.let(computed[1])]
      if (aligned && both) {
        b.if(aligned.get, () => {
          const joined = i64.or(i64.extend_i32_u(newLow as I32), i64.shl(i64.extend_i32_u(newHigh as I32), i64.const(32)))
          b.brIf(again, i64.ne(i64.atomic.rmw.cmpxchg(address, both, joined), both))
          b.br(done)
        })
      } else {
        b.if(held.get, () => {
          exchange(b, 64, address, low, newLow, again)
          const upper = i32.add(address, i32.const(bytes))
          const found = i64.atomic.rmw.cmpxchg(upper, high as I64, newHigh as I64)
          b.if(i64.ne(found, high as I64), () => {
            // An ordinary store came between: take the first half back and look again.
            b.drop(i64.atomic.rmw.cmpxchg(address, newLow as I64, low as I64))
            b.br(again)
          })
          b.br(done)
        })
      }
      storeInt(b, half, address, 0, newLow)
      storeInt(b, half, address, bytes, newHigh)
    })
  })
  b.if(held.get, () => release(b, lockOf(address)))
}

import { i32, i64 } from '@entresol/wasm-builder'
import { sub } from '../emit/arithmetic.ts'
import type { Emitter, I32, I64, Int, Width } from '../emit/emitter.ts'
import { loadInt, storeInt } from '../emit/operand-access.ts'
import * as L from '../state/layout.ts'
import { row } from './row.ts'
import type { Emit, Row } from './row.ts'

/**
 * String instructions (SDM vol. 2, REP). One element at a time: a repeated one runs again for each element, so that faults and
 * interrupts find rCX, rSI, rDI as the architecture says. MOVS and STOS upwards take as many elements at once as lie on one page.
 */
type Element = (e: Emitter, width: Width) => void

const step = (e: Emitter, width: Width): I64 => {
  const down = i32.and(e.field32(L.EFLAGS), i32.const(L.FLAG_DF))
  return i64.extend_i32_s(i32.sub(i32.const(width / 8), i32.shl(i32.shr_u(down, i32.const(10)), i32.const(width === 8 ? 1 : width === 16 ? 2 : width === 32 ? 3 : 4))))
}

const string = (width: Width | 'v', element: Element, ends?: 'compare'): Emit => (e) => {
  const w = width === 'v' ? e.width : width
  // F2 before MOVS, STOS, LODS acts as REP on every processor.
  if (e.rep === 'none') {
    element(e, w)
    return
  }
  const count = e.strings.pointer(1)
  e.b.if(i64.ne(count, i64.const(0)), () => {
    element(e, w)
    e.strings.advance(1, i64.const(-1))
    const more = i64.ne(count, i64.const(1))
    e.b.if(ends ? i32.and(more, e.condition(e.rep === 'rep' ? 4 : 5)) : more, () => e.repeat())
  })
}

/** REP MOVS/STOS: `bulk` moves n elements and returns n; 1 when the accesses are not plain upward RAM. */
const block = (width: Width | 'v', bulk: (e: Emitter, w: Width, count: I64) => I64): Emit => (e) => {
  const w = width === 'v' ? e.width : width
  if (e.rep === 'none') {
    bulk(e, w, i64.const(1))
    return
  }
  const count = e.strings.pointer(1)
  e.b.if(i64.ne(count, i64.const(0)), () => {
    const done = bulk(e, w, count)
    e.strings.advance(1, i64.sub(i64.const(0), done))
    e.b.if(i64.ne(count, done), () => e.repeat())
  })
}

/** Elements from `address` to the end of its page, at most `count`; 1 when `plain` is 0. */
const elements = (e: Emitter, w: Width, count: I64, plain: I32, ...addresses: I32[]): I64 => {
  const n = e.b.variable(i64.const(1))
  e.b.if(plain, () => {
    e.b.set(n, count)
    for (const address of addresses) {
      const room = e.b.let(i64.extend_i32_u(i32.div_u(i32.sub(i32.const(4096), i32.and(address, i32.const(4095))), i32.const(w / 8))))
      e.b.if(i64.lt_u(room, n.get), () => e.b.set(n, room))
    }
    e.b.if(i64.eqz(n.get), () => e.b.set(n, i64.const(1)))
  })
  return n.get
}

/** Plain: upwards, in 64-bit mode (no segment limit can end inside), and not staged. */
const plainUp = (e: Emitter, ...addresses: I32[]): I32 => {
  let condition = i32.and(e.is64(), i32.eqz(i32.and(e.field32(L.EFLAGS), i32.const(L.FLAG_DF))))
  const scratch = e.b.let(i32.add(e.cpu, i32.const(L.SCRATCH)))
  for (const address of addresses) condition = i32.and(condition, i32.ne(address, scratch))
  return e.b.let(condition)
}

const moveBlock = (e: Emitter, w: Width, count: I64): I64 => {
  const bytes = w / 8
  const from = e.strings.sourceAddress(bytes)
  // The source may be staged in SCRATCH, which a staged destination takes over: the first element is held here.
  const first = e.b.let(loadInt(w, from, 0))
  const to = e.strings.destinationAddress(bytes, true)
  const n = elements(e, w, count, plainUp(e, from, to), from, to)
  const length = e.b.let(i32.mul(i32.wrap_i64(n), i32.const(bytes)))
  // Forward copying into an overlap just ahead repeats the pattern, as memory.copy would not.
  const overlap = e.b.let(i32.lt_u(i32.sub(to, from), length))
  e.b.if(i64.eq(n, i64.const(1)), () => {
    storeInt(e.b, w, to, 0, first)
    e.commit(to)
  }, () => {
    e.b.if(i32.eqz(overlap), () => e.b.memoryCopy(to, from, length), () => {
      const at = e.b.variable(i32.const(0))
      e.b.loop((again) => {
        storeInt(e.b, w, i32.add(to, at.get), 0, loadInt(w, i32.add(from, at.get), 0))
        e.b.set(at, i32.add(at.get, i32.const(bytes)))
        e.b.brIf(again, i32.lt_u(at.get, length))
      })
    })
  })
  const moved = e.b.let(i64.mul(n, step(e, w)))
  e.strings.advance(6, moved)
  e.strings.advance(7, moved)
  return n
}

const storeBlock = (e: Emitter, w: Width, count: I64): I64 => {
  const bytes = w / 8
  const to = e.strings.destinationAddress(bytes, true)
  const value = e.reg(0, w)
  const n = elements(e, w, count, plainUp(e, to), to)
  const length = e.b.let(i32.mul(i32.wrap_i64(n), i32.const(bytes)))
  e.b.if(i64.eq(n, i64.const(1)), () => {
    storeInt(e.b, w, to, 0, value)
    e.commit(to)
  }, () => fill(e, w, to, value, length))
  e.strings.advance(7, e.b.let(i64.mul(n, step(e, w))))
  return n
}

function fill(e: Emitter, w: Width, to: I32, value: Int, length: I32): void {
  const loop = (): void => {
    const at = e.b.variable(i32.const(0))
    e.b.loop((again) => {
      storeInt(e.b, w, i32.add(to, at.get), 0, value)
      e.b.set(at, i32.add(at.get, i32.const(w / 8)))
      e.b.brIf(again, i32.lt_u(at.get, length))
    })
  }
  if (value.type === 'i32' && w === 8) e.b.memoryFill(to, value, length)
  else e.b.if(value.type === 'i64' ? i64.eqz(value) : i32.eqz(value), () => e.b.memoryFill(to, i32.const(0), length), loop)
}

const load: Element = (e, w) => {
  const value = e.b.let(loadInt(w, e.strings.sourceAddress(w / 8), 0))
  e.strings.advance(6, step(e, w))
  e.setReg(0, w, value)
}

const compare: Element = (e, w) => {
  // When both would fault: REPE reports the first operand's fault, else the second's, as the golden vectors' processor does.
  const first = (): Int => e.b.let(loadInt(w, e.strings.sourceAddress(w / 8), 0))
  const second = (): Int => e.b.let(loadInt(w, e.strings.destinationAddress(w / 8, false), 0))
  let a: Int
  let b: Int
  if (e.rep === 'rep') {
    a = first()
    b = second()
  } else {
    b = second()
    a = first()
  }
  e.flagsSub(w, a, b, e.b.let(sub(a, b)))
  const moved = e.b.let(step(e, w))
  e.strings.advance(6, moved)
  e.strings.advance(7, moved)
}

const scan: Element = (e, w) => {
  const b = e.b.let(loadInt(w, e.strings.destinationAddress(w / 8, false), 0))
  const a = e.reg(0, w)
  e.flagsSub(w, a, b, e.b.let(sub(a, b)))
  e.strings.advance(7, step(e, w))
}

const options = { string: true } as const

export const STRING: readonly Row[] = [
  row('MOVSB', 'A4', '', block(8, moveBlock), options),
  row('MOVS', 'A5', '', block('v', moveBlock), options),
  row('CMPSB', 'A6', '', string(8, compare, 'compare'), options),
  row('CMPS', 'A7', '', string('v', compare, 'compare'), options),
  row('STOSB', 'AA', '', block(8, storeBlock), options),
  row('STOS', 'AB', '', block('v', storeBlock), options),
  row('LODSB', 'AC', '', string(8, load), options),
  row('LODS', 'AD', '', string('v', load), options),
  row('SCASB', 'AE', '', string(8, scan, 'compare'), options),
  row('SCAS', 'AF', '', string('v', scan, 'compare'), options),
]

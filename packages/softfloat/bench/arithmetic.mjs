// Nanoseconds of an operation called from another WebAssembly module, as the CPU's modules call it. After the build: node bench/arithmetic.mjs
// Each call takes the result of the last (its exponent set back), so this is latency. Medians of 201 runs.
import { instantiateSoftfloat } from '../dist/index.js'

const leb = (n) => (n < 128 ? [n] : [(n & 0x7f) | 0x80, ...leb(n >>> 7)])
const sleb = (v) => (v >= -64n && v < 64n ? [Number(v & 0x7fn)] : [Number(v & 0x7fn) | 0x80, ...sleb(v >> 7n)])
const name = (s) => [...leb(s.length), ...new TextEncoder().encode(s)]
const section = (id, body) => [id, ...leb(body.length), ...body]
const vec = (items) => [...leb(items.length), ...items.flat()]
const i64 = (v) => [0x42, ...sleb(v)]
const I32 = 0x7f
const I64 = 0x7e

/** A module whose run(n, a, b, control) calls `op` n times. `step` leaves the next a on the stack; locals: n 0, a 1, b 2, control 3. */
function driver(opType, step) {
  const body = [0, 0x03, 0x40, ...step, 0x21, 1, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 1, 0x0b]
  return new WebAssembly.Module(new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, vec([opType, [0x60, 4, I32, I64, I64, I32, 1, I64]])),
    ...section(2, vec([[...name('s'), ...name('op'), 0, 0], [...name('s'), ...name('sigResult'), 3, I64, 1]])),
    ...section(3, vec([[1]])),
    ...section(7, vec([[...name('run'), 0, 1]])),
    ...section(10, vec([[...leb(body.length), ...body]])),
  ]))
}
// a = result with the exponent of one
const again = [...i64(0x000fffffffffffffn), 0x83, ...i64(0x3ff0000000000000n), 0x84]
const type64 = [0x60, 3, I64, I64, I32, 1, I64]
const type80 = [0x60, 5, I64, I32, I64, I32, I32, 0]
const soft = driver(type64, [0x20, 1, 0x20, 2, 0x20, 3, 0x10, 0, ...again])
const host = (opcode) => driver(type64, [0x20, 1, 0xbf, 0x20, 2, 0xbf, opcode, 0xbd, ...again])
// both operands have the exponent of one
const extended = driver(type80, [0x20, 1, 0x41, 0xff, 0xff, 0, 0x20, 2, 0x41, 0xff, 0xff, 0, 0x20, 3, 0x10, 0, 0x23, 0, ...i64(-(1n << 63n)), 0x84])

const x = instantiateSoftfloat()
function measure(module, op, a, b, control) {
  const { run } = new WebAssembly.Instance(module, { s: { op: x[op], sigResult: x.sigResult } }).exports
  // short runs, so that optimised code is entered as soon as there is some
  const count = 10_000
  const times = Array.from({ length: 201 }, () => {
    const from = performance.now()
    run(count, a, b, control)
    return performance.now() - from
  }).sort((p, q) => p - q)
  return ((times[100] / count) * 1e6).toFixed(1)
}
const a = 0x3ff123456789abcdn
const b = 0x3ff5555555555555n
for (const [op, opcode] of Object.entries({ add: 0xa0, sub: 0xa1, mul: 0xa2, div: 0xa3 })) {
  const f64 = (mxcsr) => measure(soft, `f64_${op}`, a, b, mxcsr)
  const f80 = measure(extended, `f80_${op}`, 0x9123456789abcdefn, 0xd555555555555555n, 0x37f)
  console.log(`${op}: f64 to nearest ${f64(0x1f80)} ns, f64 upwards ${f64(0x5f80)} ns, f80 ${f80} ns, host's f64 ${measure(host(opcode), `f64_${op}`, a, b, 0)} ns`)
}

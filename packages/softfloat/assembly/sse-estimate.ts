// RCPPS and RSQRTPS: estimates with a relative error below 1.5 * 2^-12 (Intel SDM vol. 2). The bits differ from CPU to CPU; ours depend on
// twelve bits of the operand's fraction and have twelve. MXCSR counts for nothing and no exception is raised.

const INFINITY: u32 = 0x7f800000

@inline
function rounded(v: f32): u32 {
  return (reinterpret<u32>(v) + 0x400) & ~0x7ff
}
/** The middle of the numbers that share the twelve leading bits of the fraction. */
@inline
function middle(m: u32): f32 {
  return reinterpret<f32>((m & ~0x7ff) | 0x400)
}

export function reciprocal(a: u32): u32 {
  const m = a & 0x7fffffff
  const sign = a & 0x80000000
  if (m > INFINITY) return a | 0x400000
  // denormals count as zeros, and what would be one is a zero
  if (m < 0x800000) return sign | INFINITY
  if (m >= 0x7e800000) return sign
  return sign | rounded(<f32>1 / middle(m))
}

export function reciprocalRoot(a: u32): u32 {
  const m = a & 0x7fffffff
  const sign = a & 0x80000000
  if (m > INFINITY) return a | 0x400000
  if (m < 0x800000) return sign | INFINITY
  if (sign) return 0xffc00000
  if (m == INFINITY) return 0
  return rounded(f32(1.0 / sqrt<f64>(f64(middle(m)))))
}

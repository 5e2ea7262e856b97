// The exports of the module. Names: <format>_<operation>; `mxcsr` and `cw` are the guest's registers as they are.
export { condition, expResult, expResult2, flags, sigResult, sigResult2 } from './state'
export { f80_add, f80_compare, f80_div, f80_mul, f80_sqrt, f80_sub } from './f80-arithmetic'
export {
  f80_fromBcd, f80_fromF32, f80_fromF64, f80_fromI64, f80_toBcd, f80_toF32, f80_toF64, f80_toI16, f80_toI32, f80_toI64, f80_widenF32,
  f80_widenF64, widenedDenormal
} from './f80-convert'
export { f80_examine, f80_extract, f80_rem, f80_rem1, f80_roundToIntegral, f80_scale } from './f80-remainder'
export { f80_atan, f80_f2xm1, f80_yl2x, f80_yl2xp1 } from './f80-logarithmic'
export { f80_cos, f80_sin, f80_sincos, f80_tan } from './f80-trigonometric'
export * from './f32'
export * from './f64'

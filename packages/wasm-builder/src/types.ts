/** Value types this builder emits (WebAssembly Core Specification 2.0, 2.3.1 and 2.3.2). */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

/** Binary encodings (Core Specification 5.3). */
export const VALUE_TYPE_CODE: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b }

export interface FunctionType {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

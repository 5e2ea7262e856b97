import { instantiateSoftfloat } from '@entresol/softfloat'
import type { MachineMemory } from '@entresol/interfaces'
import type { ValueType } from '@entresol/wasm-builder'
import type { HelperGlobal, HelperImport } from './interpreter/module.ts'

/**
 * Functions instruction rows call by name with `e.helper`: all of @entresol/softfloat, whose documentation says what they mean.
 * Signatures: i for i32, I for i64, results behind the colon.
 */
const SIGNATURES: Record<string, string> = {
  // One element of single (f32_) and double (f64_) precision; @ is the type of the bit pattern.
  '@_add @_sub @_mul @_div @_min @_max': '@@i:@',
  '@_sqrt': '@i:@',
  '@_fma': '@@@ii:@',
  '@_compare @_predicate': '@@ii:i',
  '@_round': '@ii:@',
  '@_toI32 @_truncateToI32': '@i:i',
  '@_toI64 @_truncateToI64': '@i:I',
  '@_fromI32': 'ii:@',
  '@_fromI64': 'Ii:@',
  f64_fromF32: 'ii:I',
  f32_fromF64: 'Ii:i',
  'f32_rcp f32_rsqrt f32_fromF16': 'i:i',
  f32_toF16: 'iii:i',
  // x87: operands are significand and head, the last parameter is the control word.
  'f80_add f80_sub f80_mul f80_div f80_rem f80_rem1 f80_scale f80_yl2x f80_yl2xp1 f80_atan': 'IiIii:',
  'f80_sqrt f80_roundToIntegral f80_extract f80_toBcd f80_f2xm1 f80_sin f80_cos f80_sincos f80_tan': 'Iii:',
  f80_compare: 'IiIiii:i',
  f80_examine: 'Ii:i',
  'f80_fromF32 f80_widenF32': 'i:',
  'f80_fromF64 f80_widenF64 f80_fromI64': 'I:',
  f80_fromBcd: 'Ii:',
  'f80_toF32 f80_toI16 f80_toI32': 'Iii:i',
  'f80_toF64 f80_toI64': 'Iii:I',
}

const types = (letters: string): ValueType[] => [...letters].map((letter) => (letter === 'i' ? 'i32' : 'i64'))

function helperImports(names: string, signature: string): HelperImport[] {
  const [params, results] = signature.split(':') as [string, string]
  return names.split(' ').map((name) => ({ name, type: { params: types(params), results: types(results) } }))
}

export const HELPER_TYPES: readonly HelperImport[] = Object.entries(SIGNATURES).flatMap(([names, signature]) =>
  names.startsWith('@')
    ? [['f32', 'i'], ['f64', 'I']].flatMap(([format, bits]) => helperImports(names.replaceAll('@', format!), signature.replaceAll('@', bits!)))
    : helperImports(names, signature))

/** Results and exceptions of those functions: `e.helperGlobal`. */
export const HELPER_GLOBALS: readonly HelperGlobal[] = [
  { name: 'flags', type: 'i32' }, { name: 'condition', type: 'i32' },
  { name: 'sigResult', type: 'i64' }, { name: 'expResult', type: 'i32' }, { name: 'sigResult2', type: 'i64' }, { name: 'expResult2', type: 'i32' },
  { name: 'widenedDenormal', type: 'i32' },
]

/** An instance per vCPU: results live in its globals. */
export function helperFunctions(_memory: MachineMemory): WebAssembly.ModuleImports {
  return instantiateSoftfloat() as unknown as WebAssembly.ModuleImports
}

import type { MachineMemory } from '@entresol/interfaces'
import type { HelperImport } from './interpreter/module.ts'

/** Functions instruction rows call by name with `e.helper`. */
export const HELPER_TYPES: readonly HelperImport[] = []

export function helperFunctions(_memory: MachineMemory): WebAssembly.ModuleImports {
  return {}
}

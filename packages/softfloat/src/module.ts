import type { SoftfloatExports } from './exports.ts'
import { base64 } from './generated/module.ts'

let compiled: WebAssembly.Module | undefined

/** The compiled module: no imports, no memory, no data; compiled once, at the first call. Posting it to a worker shares its code. */
export function softfloatModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)))
  return compiled
}

/**
 * A new instance. Its results and flags live in its exported globals, so a vCPU needs an instance of its own.
 * The functions and globals can be imported by other WebAssembly modules as they are.
 */
export function instantiateSoftfloat(): SoftfloatExports {
  return new WebAssembly.Instance(softfloatModule()).exports as unknown as SoftfloatExports
}

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Keeps the JavaScript heap from growing where what is in it does not: the young generation stays at its first size (1 MiB halves instead of
 * 32 MiB), since what a running guest leaves behind is dead within microseconds. Call first of all.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/**
 * Lets V8 read which branches of generated code are rare (WebAssembly Branch Hinting proposal; a flag in Node 24): what misses the TLB stays
 * out of the way of what hits. Call before any WebAssembly is compiled.
 */
export function hintBranches(): void {
  setFlagsFromString('--experimental-wasm-branch-hinting')
}

/** Collects what building the machine left (the interpreter's module as it was put together, mostly); nothing would ask for it later. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  collect()
}

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CodedError } from '@entresol/kit'

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

const PERF_MAP = '--perf-basic-prof'

/** V8 writes /tmp/perf-PID.map only when it is told so at its start: the process becomes one that was, with the same PID. Returns in that. */
export function startWithPerfMap(): void {
  if (process.execArgv.includes(PERF_MAP) || process.env['NODE_OPTIONS']?.includes(PERF_MAP)) return
  if (!process.execve) throw new CodedError('no-perf-map', `-perfmap: not with this Node by itself: start it with NODE_OPTIONS=${PERF_MAP}`)
  process.execve(process.execPath, [process.execPath, ...process.execArgv, PERF_MAP, '--disable-warning=ExperimentalWarning', ...process.argv.slice(1)], process.env)
}

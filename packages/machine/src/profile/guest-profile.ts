import type { SoftwareVcpu } from '@entresol/cpu'
import type { KernelSymbols } from './kernel-symbols.ts'

/** Places kept apart: a guest that executes everywhere takes no more memory than these. */
const MAX_PLACES = 200_000
const USER = 'user code'
const ELSEWHERE = 'elsewhere'

interface Share {
  milliseconds: number
  samples: number
}

const add = <K>(map: Map<K, Share>, key: K, milliseconds: number, samples: number): void => {
  const known = map.get(key)
  if (known) {
    known.milliseconds += milliseconds
    known.samples += samples
  } else map.set(key, { milliseconds, samples })
}

/**
 * A sampling profile of a machine, given to it as `MachineOptions.profile`. After each slice the host's time it took counts for the place where
 * the CPU stands then. Slices end at control transfers (jumps back, calls that leave a translated region), so that a function that is
 * part of a region of its caller's counts there.
 */
export class GuestProfile {
  readonly #symbols: KernelSymbols | undefined
  /** Supervisor code by linear address. */
  readonly #places = new Map<bigint, Share>()
  readonly #others = new Map<typeof USER | typeof ELSEWHERE, Share>()
  #vcpu: SoftwareVcpu | undefined

  constructor(symbols?: KernelSymbols) {
    this.#symbols = symbols
  }

  /** The vCPU ran for so long and stands still now. */
  ran(vcpu: SoftwareVcpu, milliseconds: number): void {
    const { cpl, rip } = vcpu.state
    this.#vcpu ??= vcpu
    if (cpl === 3) add(this.#others, USER, milliseconds, 1)
    else if (this.#places.size < MAX_PLACES || this.#places.has(rip)) add(this.#places, rip, milliseconds, 1)
    else add(this.#others, ELSEWHERE, milliseconds, 1)
  }

  /** A table for people, most time first: `lines` functions, or pages where no symbol is known. */
  report(lines = 40): string {
    const slide = this.#vcpu && this.#symbols?.slide(this.#vcpu)
    const functions = new Map<string, Share>(this.#others)
    for (const [rip, { milliseconds, samples }] of this.#places) {
      const found = slide === undefined ? undefined : this.#symbols!.find(rip - slide)
      add(functions, found?.name ?? `(${(rip & ~0xfffn).toString(16)})`, milliseconds, samples)
    }
    const all = [...functions].sort(([, a], [, b]) => b.milliseconds - a.milliseconds)
    const total = all.reduce((sum, [, { milliseconds }]) => sum + milliseconds, 0)
    const row = (percent: string, milliseconds: string, samples: string, name: string): string =>
      `${percent.padStart(6)} ${milliseconds.padStart(9)} ${samples.padStart(8)}  ${name}`
    const rows = all.slice(0, lines).map(([name, { milliseconds, samples }]) =>
      row(((milliseconds / (total || 1)) * 100).toFixed(1), milliseconds.toFixed(1), String(samples), name))
    const rest = all.length > lines ? [`       ${all.length - lines} more`] : []
    const moved = !this.#symbols ? 'no symbols: (page) instead of functions'
      : slide === undefined ? 'the kernel set no system-call entry that the symbols have: (page) instead of functions'
        : slide === 0n ? 'the kernel is where its symbols say' : `the kernel lies ${(slide < 0n ? -slide : slide).toString(16)}h ${slide < 0n ? 'below' : 'above'} its symbols`
    return [`guest profile: ${(total / 1000).toFixed(2)} s of running; ${moved}`, row('%', 'ms', 'samples', 'function'), ...rows, ...rest].join('\n')
  }
}

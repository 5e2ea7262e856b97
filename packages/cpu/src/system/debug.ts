import * as X from '@entresol/x86'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'

interface Breakpoint {
  /** Bit in DR6. */
  readonly bit: number
  readonly address: bigint
  readonly length: bigint
  readonly kind: number
}

/** LEN field: 1, 2, 8 (in 64-bit capable processors) and 4 bytes (SDM vol. 3, 18.2.4). */
const LENGTHS = [1n, 2n, 8n, 4n] as const

/** DR0..DR3 as DR7 enables them. Answers are masks of DR6's B0..B3. */
export class Breakpoints {
  readonly #state: CpuState
  #enabled: readonly Breakpoint[] = []
  /** Some breakpoint of any kind is enabled: instructions are executed one by one. */
  armed = false
  /** Some enabled breakpoint watches data. */
  watching = false

  constructor(state: CpuState) {
    this.#state = state
  }

  /** Reads the debug registers again. */
  update(): void {
    const state = this.#state
    const dr7 = state.u32(L.DR + 56)
    const enabled: Breakpoint[] = []
    for (let n = 0; n < 4; n++) {
      if (!((dr7 >>> (n * 2)) & 3)) continue
      const kind = (dr7 >>> (16 + n * 4)) & 3
      const length = kind === X.DR7_RW_EXECUTE ? 1n : LENGTHS[(dr7 >>> (18 + n * 4)) & 3]!
      // 18.2.5: low address bits are ignored as the length says.
      const address = state.u64(L.DR + n * 8) & ~(length - 1n)
      enabled.push({ bit: 1 << n, address, length, kind })
    }
    this.#enabled = enabled
    this.armed = enabled.length > 0
    this.watching = enabled.some((b) => b.kind === X.DR7_RW_WRITE || b.kind === X.DR7_RW_ACCESS)
  }

  #match(start: bigint, size: number, wanted: (kind: number) => boolean): number {
    let bits = 0
    for (const b of this.#enabled) {
      if (wanted(b.kind) && start < b.address + b.length && b.address < start + BigInt(size)) bits |= b.bit
    }
    return bits
  }

  execute(linear: bigint): number {
    return this.#match(linear, 1, (kind) => kind === X.DR7_RW_EXECUTE)
  }

  access(linear: bigint, size: number, write: boolean): number {
    return this.#match(linear, size, (kind) => kind === X.DR7_RW_ACCESS || (write && kind === X.DR7_RW_WRITE))
  }

  /** I/O breakpoints need CR4.DE. */
  port(port: number, size: number): number {
    if (!(this.#state.cr4 & X.CR4_DE)) return 0
    return this.#match(BigInt(port), size, (kind) => kind === X.DR7_RW_IO)
  }

  /** True when a data breakpoint lies in the page of `linear`. */
  watchesPage(linear: bigint): boolean {
    return this.watching && this.access(linear & ~0xfffn, 4096, true) !== 0
  }
}

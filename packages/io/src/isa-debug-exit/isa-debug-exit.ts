import type { AccessSize, BusDevice, IoFault } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { DEFAULT_IOSIZE, exitCode } from './spec.ts'

export interface IsaDebugExitOptions {
  /** Span of ports, 1..4; default 2. The board maps it at `iobase` (0x501 by default). */
  readonly iosize?: number
  /** Called with (value << 1) | 1. A process keeps the low 8 bits of it. */
  readonly onExit: (code: number) => void
}

/** Ends the machine with a code the guest chooses. Stateless: nothing to reset or save. */
export class IsaDebugExit implements BusDevice {
  readonly name: string = 'isa-debug-exit'
  readonly length: number
  readonly #onExit: (code: number) => void

  constructor(options: IsaDebugExitOptions) {
    this.length = options.iosize ?? DEFAULT_IOSIZE
    if (!Number.isInteger(this.length) || this.length < 1 || this.length > 4) {
      throw new CodedError('bad-iosize', `isa-debug-exit: iosize ${this.length} is not 1..4`)
    }
    this.#onExit = options.onExit
  }

  /** Nothing to read: the bus answers all ones. */
  read(_offset: number, _size: AccessSize): number | IoFault {
    return 'no-register'
  }

  write(_offset: number, _size: AccessSize, value: number): IoFault | undefined {
    this.#onExit(exitCode(value))
    return undefined
  }
}

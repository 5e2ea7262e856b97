import type { AccessSize, BusDevice, CharacterPort, IoFault } from '@entresol/interfaces'
import { READBACK } from './spec.ts'

export interface DebugPortOptions {
  readonly port: CharacterPort
}

/** Port 0xE9: every byte written goes to the host. Stateless; takes no input (its listener accepts nothing). */
export class DebugPort implements BusDevice {
  readonly name: string = 'debug-port'
  readonly length: number = 1
  readonly #port: CharacterPort

  constructor(options: DebugPortOptions) {
    this.#port = options.port
    this.#port.onData(() => 0)
  }

  read(_offset: number, _size: AccessSize): number | IoFault {
    return READBACK
  }

  write(_offset: number, _size: AccessSize, value: number): IoFault | undefined {
    this.#port.write(Uint8Array.of(value & 0xff))
    return undefined
  }
}

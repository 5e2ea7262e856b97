import type { AccessSize, IoFault } from '@entresol/interfaces'
import type { DeviceUnderTest } from '../../src/index.ts'

const refuse = (): never => {
  throw Object.assign(new Error('not a state of this device'), { code: 'bad-snapshot' })
}

interface State {
  version: number
  registers: Uint8Array
}

/** A compliant device: sixteen byte registers, the last one a read-to-clear counter of writes. */
export class GoodDevice implements DeviceUnderTest {
  name = 'scratch-pad'
  length = 16
  snapshotVersion = 1
  registers: Uint8Array = new Uint8Array(16)

  read(offset: number, size: AccessSize): number | IoFault {
    if (offset % size !== 0) return 'unaligned'
    let value = 0
    for (let at = size - 1; at >= 0; at--) value = value * 256 + this.registers[offset + at]!
    if (offset + size === 16) this.registers[15] = 0
    return value
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset % size !== 0) return 'unaligned'
    for (let at = 0; at < size; at++) this.registers[offset + at] = Math.floor(value / 256 ** at)
    this.registers[15]! += 1
    return undefined
  }

  reset(): void {
    this.registers.fill(0)
  }

  save(): State {
    return { version: 1, registers: this.registers.slice() }
  }

  restore(state: unknown): void {
    if (typeof state !== 'object' || state === null || Array.isArray(state)) refuse()
    const { version, registers } = state as Partial<State>
    if (version !== 1 || !(registers instanceof Uint8Array) || registers.length !== 16) return refuse()
    this.registers = registers.slice()
  }
}

let globalCounter = 0

/** Each breaks one law; the value is a word of the law that must be reported. */
export const brokenDevices: [string, string, () => DeviceUnderTest][] = [
  ['a name with capitals', 'kebab-case', () => Object.assign(new GoodDevice(), { name: 'ScratchPad' })],
  ['no length', 'kebab-case', () => Object.assign(new GoodDevice(), { length: 0 })],
  ['signed reads', 'stays in its type', () => new (class extends GoodDevice {
    override read(offset: number, size: AccessSize): number | IoFault {
      const value = super.read(offset, size)
      return typeof value === 'number' ? value | 0 : value
    }
  })()],
  ['reads wider than the access', 'unsigned number', () => new (class extends GoodDevice {
    override read(): number {
      return 0x1ff
    }
  })()],
  ['undefined for unknown registers', 'unsigned number', () => new (class extends GoodDevice {
    override read(offset: number, size: AccessSize): number | IoFault {
      return offset === 3 ? (undefined as unknown as number) : super.read(offset, size)
    }
  })()],
  ['a throw for a strange command', 'throws', () => new (class extends GoodDevice {
    override write(offset: number, size: AccessSize, value: number): IoFault | undefined {
      if (value === 0xff) throw new Error('unimplemented command')
      return super.write(offset, size, value)
    }
  })()],
  ['a made-up fault', 'throws', () => new (class extends GoodDevice {
    override write(): IoFault {
      return 'no' as IoFault
    }
  })()],
  ['state outside the instance', 'equal accesses', () => new (class extends GoodDevice {
    override read(offset: number, size: AccessSize): number | IoFault {
      return offset === 0 && size === 1 ? globalCounter++ & 0xff : super.read(offset, size)
    }
  })()],
  ['an incomplete reset', 'after reset', () => new (class extends GoodDevice {
    override reset(): void {
      this.registers.fill(0, 0, 12)
    }
  })()],
  ['a snapshot that forgets a register', 'goes on', () => new (class extends GoodDevice {
    override save(): State {
      const state = super.save()
      state.registers[9] = 0
      return state
    }
  })()],
  ['a snapshot that is the live state', 'is a copy', () => new (class extends GoodDevice {
    override save(): State {
      return { version: 1, registers: this.registers }
    }
  })()],
  ['restore keeps the snapshot’s buffer', 'is a copy', () => new (class extends GoodDevice {
    override restore(state: unknown): void {
      super.restore(state)
      this.registers = (state as State).registers
    }
  })()],
  ['restore takes anything', 'refuses', () => new (class extends GoodDevice {
    override restore(state: unknown): void {
      const { registers } = (state ?? {}) as Partial<State>
      if (registers instanceof Uint8Array) this.registers = registers.slice()
    }
  })()],
  ['restore changes state before it refuses', 'refuses', () => new (class extends GoodDevice {
    override restore(state: unknown): void {
      this.registers.fill(0)
      super.restore(state)
    }
  })()],
  ['restore refuses with a TypeError', 'refuses', () => new (class extends GoodDevice {
    override restore(state: unknown): void {
      const { registers } = state as State
      this.registers = registers.slice()
    }
  })()],
  ['a state that was not checked makes accesses throw', 'however wrong', () => new (class extends GoodDevice {
    override restore(state: unknown): void {
      if (typeof state !== 'object' || state === null || Array.isArray(state)) return refuse()
      this.registers = (state as State).registers
    }

    override save(): State {
      return { version: 1, registers: this.registers?.slice?.() }
    }
  })()],
]

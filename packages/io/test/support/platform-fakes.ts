import type { AccessSize, BusDevice, IoFault, MsiSink, VcpuSignals } from '@entresol/interfaces'
import { ManualClock } from './device-fakes.ts'

/** A manual clock whose wall time starts at 2026-11-21 12:34:56 UTC and moves with virtual time. */
export class WallClock extends ManualClock {
  start = Date.UTC(2026, 10, 21, 12, 34, 56)
  override wallClock(): number { return this.start + this.time / 1e6 }
}

/** Plain bytes that take only the widths allowed, and remember accesses. */
export class Scratch implements BusDevice {
  readonly name: string
  readonly length: number
  readonly data: Uint8Array
  readonly log: string[] = []
  readonly widths: readonly AccessSize[]
  constructor(name: string, length: number, widths: readonly AccessSize[] = [1, 2, 4]) {
    this.name = name
    this.length = length
    this.data = new Uint8Array(length)
    this.widths = widths
  }
  read(offset: number, size: AccessSize): number | IoFault {
    if (!this.widths.includes(size)) return 'bad-size'
    this.log.push(`r${size}@${offset}`)
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.data[offset + i]
    return value
  }
  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (!this.widths.includes(size)) return 'bad-size'
    this.log.push(`w${size}@${offset}`)
    for (let i = 0; i < size; i++) this.data[offset + i] = value >>> (8 * i)
    return undefined
  }
}

export class RecordingSink implements MsiSink {
  readonly messages: [number, number, number][] = []
  send(addressLow: number, addressHigh: number, data: number): void { this.messages.push([addressLow, addressHigh, data]) }
}

export class RecordingSignals implements VcpuSignals {
  log: string[] = []
  interrupts = 0
  interruptPending(): void { this.interrupts++ }
  nmi(): void { this.log.push('nmi') }
  smi(): void { this.log.push('smi') }
  init(): void { this.log.push('init') }
  sipi(vector: number): void { this.log.push(`sipi ${vector}`) }
}

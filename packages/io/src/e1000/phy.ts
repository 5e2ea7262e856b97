import * as spec from './spec.ts'

/** Table 13-19 and following: values after reset; the partner can do everything at 1000 Mb/s. */
const RESET_VALUES: Readonly<Record<number, number>> = {
  [spec.PHY_CONTROL]: 0x1140, [spec.PHY_STATUS]: 0x7949, 2: 0x0141, 3: 0x0c25, 4: 0x0de1, 5: 0xcde1, 6: 0x000f, 7: 0x2001, 9: 0x0e00,
  10: 0x7c00, 15: 0x3000, 16: 0x0068, [spec.PHY_SPECIFIC_STATUS]: spec.PHY_SPECIFIC_1000_FULL, 20: 0x0d60
}
const WRITABLE: Readonly<Record<number, number>> = {
  [spec.PHY_CONTROL]: 0x7dc0, 4: 0xffff, 7: 0xffff, 9: 0xffff, 16: 0xffff, 18: 0xffff, 20: 0xffff, 24: 0xffff, 29: 0xffff, 30: 0xffff
}
export const PHY_REGISTERS = 32

/** The copper transceiver behind MDIC. It is told whether there is a link, and negotiates in no time. */
export class Phy {
  registers: number[] = []

  constructor() {
    this.reset()
  }

  reset(): void {
    this.registers = Array.from({ length: PHY_REGISTERS }, (_, index) => RESET_VALUES[index] ?? 0)
  }

  read(register: number, linkUp: boolean): number {
    const value = this.registers[register]!
    if (!linkUp) return value
    if (register === spec.PHY_STATUS) return value | spec.PHY_STATUS_LINK | spec.PHY_STATUS_NEGOTIATED
    return register === spec.PHY_SPECIFIC_STATUS ? value | spec.PHY_SPECIFIC_LINK : value
  }

  /** True when negotiation starts anew. */
  write(register: number, value: number): boolean {
    if (register === spec.PHY_CONTROL && (value & spec.PHY_CONTROL_RESET) !== 0) {
      this.reset()
      return true
    }
    const mask = WRITABLE[register] ?? 0
    this.registers[register] = (this.registers[register]! & ~mask) | (value & mask)
    return register === spec.PHY_CONTROL && (value & spec.PHY_CONTROL_RESTART) !== 0
  }
}

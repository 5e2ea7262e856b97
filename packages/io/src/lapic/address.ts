import * as spec from './spec.ts'

/** What decides whether a message's destination means a local APIC (SDM vol. 3, 11.6.2). */
export interface ApicAddress {
  /** Globally enabled (IA32_APIC_BASE bit 11). */
  readonly enabled: boolean
  readonly x2apic: boolean
  /** APIC ID: in x2APIC mode all 32 bits. */
  readonly id: number
  /** Logical destination register, and destination format register of xAPIC mode. */
  readonly logicalId: number
  readonly format: number
}

export function isAddressed(apic: ApicAddress, destination: number, logical: boolean): boolean {
  if (!apic.enabled) return false
  if (destination === spec.DESTINATION_ALL && (apic.x2apic || !logical)) return true
  if (!logical) return destination === apic.id
  const ldr = apic.logicalId
  if (apic.x2apic) return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0
  const mda = destination === spec.DESTINATION_ALL ? 0xff : destination
  if (mda > 0xff) return false
  if (apic.format >>> 28 === 0xf) return (mda & (ldr >>> 24)) !== 0
  return (mda >> 4 === 0xf || mda >> 4 === ldr >>> 28) && (mda & (ldr >>> 24) & 0xf) !== 0
}

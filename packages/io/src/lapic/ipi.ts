import type { ApicBus, ApicBusAgent } from './apic-bus.ts'
import * as spec from './spec.ts'

/**
 * Sends what an interrupt command register says (SDM vol. 3, 11.6.1). `destination` is the ICR's destination field, 8 bits in xAPIC
 * mode, 32 in x2APIC mode. False for a vector below 16, which is a send error.
 */
export function sendIpi(bus: ApicBus, sender: ApicBusAgent, icr: number, destination: number, x2apic: boolean): boolean {
  const vector = icr & 0xff
  const mode = (icr >> 8) & 7
  const shorthand = (icr >> 18) & 3
  if ((mode === spec.DELIVERY_FIXED || mode === spec.DELIVERY_LOWEST) && vector < 16) return false
  // INIT level de-assert only synchronized arbitration IDs on old buses; trigger mode is otherwise edge (table 11-3).
  if (mode === spec.DELIVERY_INIT && (icr & (spec.ICR_LEVEL | spec.ICR_ASSERT)) === spec.ICR_LEVEL) return true
  if (mode === 3 || mode === spec.DELIVERY_EXTINT) return true
  switch (shorthand) {
    case spec.SHORTHAND_SELF:
      // Only fixed is valid for self, and all-including-self (table 11-3).
      if (mode === spec.DELIVERY_FIXED) sender.accept(mode, vector, false)
      return true
    case spec.SHORTHAND_ALL:
      if (mode === spec.DELIVERY_FIXED) bus.deliver(spec.DESTINATION_ALL, false, mode, vector, false)
      return true
    case spec.SHORTHAND_OTHERS:
      bus.deliverToOthers(sender, mode, vector, false)
      return true
  }
  const wide = !x2apic && destination === 0xff ? spec.DESTINATION_ALL : destination
  bus.deliver(wide, (icr & spec.ICR_LOGICAL) !== 0, mode, vector, false)
  return true
}

import { describe, expect, it } from 'vitest'
import type { Clock, Gpa } from '@entresol/interfaces'
import { createMachineMemory, GuestPhysicalMemory } from '@entresol/mmu'
import { KvmParavirtual } from '../../src/system/paravirtual.ts'

function setup(tscFrequency = 1e9) {
  const memory = createMachineMemory({ bytes: 4 << 20 })
  const ram = new GuestPhysicalMemory(memory)
  ram.addRam(1 << 20)
  const time = { now: 5_000_000_000, tsc: 12345n }
  const clock: Clock = { now: () => time.now, wallClock: () => 1_700_000_000_000, schedule: () => ({ cancel: () => {} }) }
  const kvm = new KvmParavirtual({ memory: ram, clock, tscFrequency, tsc: () => time.tsc })
  const u32 = (address: number): number => ram.readU32(address as Gpa)
  const u64 = (address: number): bigint => ram.readU64(address as Gpa)
  return { kvm, ram, time, u32, u64 }
}

describe('KVM paravirtual services (Linux virt/kvm/x86/msr.rst)', () => {
  it('kvmclock turns TSC into nanoseconds for any frequency, with an even version and the stable flag', () => {
    for (const frequency of [1e9, 2.4e9, 3.3e8, 1e6]) {
      const { kvm, time, ram, u32, u64 } = setup(frequency)
      expect(kvm.write(0x4b564d01, 0x1001n)).toBe(true)
      expect(u32(0x1000) & 1).toBe(0)
      expect(ram.readU8(0x101d as Gpa)).toBe(1)
      // Ten seconds later, as the guest computes it.
      const delta = time.tsc + BigInt(frequency) * 10n - u64(0x1008)
      const shift = (ram.readU8(0x101c as Gpa) << 24) >> 24
      const scaled = shift >= 0 ? delta << BigInt(shift) : delta >> BigInt(-shift)
      const now = u64(0x1010) + ((scaled * BigInt(u32(0x1018))) >> 32n)
      expect(Number(now - 15_000_000_000n)).toBeLessThan(100)
      expect(Number(now - 15_000_000_000n)).toBeGreaterThan(-100)
    }
  })

  it('the wall clock is the time of system time 0', () => {
    const { kvm, u32 } = setup()
    kvm.write(0x4b564d00, 0x2000n)
    expect([u32(0x2000) & 1, u32(0x2004), u32(0x2008)]).toEqual([0, 1_699_999_995, 0])
  })

  it('steal time adds up; its reserved bits are refused', () => {
    const { kvm, u64, u32 } = setup()
    expect(kvm.write(0x4b564d03, 0x3003n)).toBe(false)
    expect(kvm.write(0x4b564d03, 0x3001n)).toBe(true)
    kvm.addSteal(1000)
    kvm.addSteal(234)
    expect([u64(0x3000), u32(0x3008) & 1]).toEqual([1234n, 0])
  })

  it('writes nothing while a service is disabled, and refuses MSRs it does not offer', () => {
    const { kvm, u32, ram } = setup()
    ram.writeU32(0x1000 as Gpa, 77)
    kvm.write(0x4b564d01, 0x1000n)
    expect(u32(0x1000)).toBe(77)
    expect([kvm.write(0x4b564d02, 1n), kvm.write(0x4b564d04, 1n), kvm.read(0x4b564d02)]).toEqual([false, false, undefined])
  })

  it('answers unknown hypercalls with -ENOSYS', () => {
    expect(setup().kvm.hypercall(99n, 0n, 0n, 0n, 0n)).toBe(-1000n)
  })
})

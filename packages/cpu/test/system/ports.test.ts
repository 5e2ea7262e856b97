import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { CODE, CODE0, gate, HANDLERS, le, longMachine, protectedMachine, stoppedIn, TSS } from '../support/system.ts'

describe('port I/O (SDM vol. 1, 20.5)', () => {
  it('is free at CPL <= IOPL, else asks the I/O map, each port of the access', () => {
    for (const [iopl, map, size, allowed] of [[3, 0xff, 1, true], [0, 0xff, 1, false], [0, 0xfe, 1, true], [0, 0xfe, 2, false], [0, 0xfc, 2, true], [0, 0xf0, 4, true], [0, 0xf8, 4, false]] as const) {
      const m = protectedMachine()
      m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
      m.ram.writeU16((TSS + 0x66) as Gpa, 0x68)
      m.ram.writeU8((TSS + 0x68 + 0x10) as Gpa, map)
      m.ram.writeU8((TSS + 0x68 + 0x11) as Gpa, 0xff)
      const out = size === 1 ? [0xee] : size === 2 ? [0x66, 0xef] : [0xef]
      m.execute([0xba, ...le(0x80, 4), ...out, 0xcd, 0x40], { cpl: 3, change: (r) => (r.rflags = BigInt(0x202 | (iopl << 12))) })
      expect(stoppedIn(m)).toBe(allowed ? 0x40 : 13)
      expect(m.io.length).toBe(allowed ? 1 : 0)
    }
  })

  it('reads both bytes of the map: a port whose second byte is beyond the limit is refused', () => {
    const m = protectedMachine()
    m.ram.writeU16((TSS + 0x66) as Gpa, 0x68)
    m.execute([0xe4, 0x80], { cpl: 3, change: (r) => (r.segments.tr.limit = 0x68 + 0x10) })
    expect(stoppedIn(m)).toBe(13)
  })

  it('OUTS and INS repeat, moving pointers by the direction flag and counting rCX in the address size', () => {
    const m = longMachine()
    m.load(0x9000, Uint8Array.of(1, 2, 3))
    m.execute([0xf3, 0x6e, 0xf4], { change: (r) => { r.gpr[1] = 3n; r.gpr[2] = 0xe9n; r.gpr[6] = 0x9000n } })
    expect(m.io.map((a) => [a.kind, a.address, a.size, a.value])).toEqual([1, 2, 3].map((v) => ['out', 0xe9, 1, v]))
    expect([m.registers().gpr[1], m.registers().gpr[6]]).toEqual([0n, 0x9003n])
    m.execute([0xfd, 0xf3, 0x66, 0x6d, 0xfc, 0xf4], { change: (r) => { r.gpr[1] = 2n; r.gpr[2] = 0x1f0n; r.gpr[7] = 0x9012n } })
    expect([m.ram.readU32(0x9010 as Gpa), m.registers().gpr[7]]).toEqual([0xffffffff, 0x900en])
  })

  it('INS faults before the port is read', () => {
    const m = longMachine()
    m.execute([0x6c], { change: (r) => { r.gpr[7] = 0x700000n } })
    expect([stoppedIn(m), m.io.length, m.stack(2)[1]]).toEqual([14, 0, BigInt(CODE)])
  })

  it('REP INS moves every element across pages, and what it moved before a fault stays moved', () => {
    const m = protectedMachine()
    const count = (segmentLimit: number): void => {
      m.io.length = 0
      m.execute([0xf3, 0x66, 0x6d, 0xf4], {
        change: (r) => {
          r.gpr[1] = 3000n
          r.gpr[2] = 0x1f0n
          r.gpr[7] = 0x40ff1n
          r.segments.es.limit = segmentLimit
        },
      })
    }
    count(0xffffffff)
    expect([m.io.length, m.registers().gpr[1], m.registers().gpr[7]]).toEqual([3000, 0n, BigInt(0x40ff1 + 6000)])
    const bytes = new Uint8Array(6002)
    m.ram.read(0x40ff0 as Gpa, bytes)
    expect([bytes[0], bytes.subarray(1, 6001).every((byte) => byte === 0xff), bytes[6001]]).toEqual([0, true, 0])
    count(0x41fff)
    expect([stoppedIn(m), m.io.length, m.registers().gpr[7]]).toEqual([13, 0x807, 0x41fffn])
  })

  it('REP INS with 16-bit addresses wraps at 64 KiB', () => {
    const m = protectedMachine()
    m.execute([0x67, 0xf3, 0x6c, 0xf4], {
      change: (r) => {
        r.gpr[1] = 0x20n
        r.gpr[2] = 0x80n
        r.gpr[7] = 0xdead_fff0n
        r.segments.es.base = 0x50000n
      },
    })
    expect([m.io.length, m.registers().gpr[7], m.ram.readU32(0x5000c as Gpa), m.ram.readU32(0x50010 as Gpa), m.ram.readU32(0x60000 as Gpa)])
      .toEqual([0x20, 0xdead_0010n, 0xffffffff, 0, 0])
  })

  it('an interrupt that the device raises comes between two elements of REP INS', () => {
    const m = protectedMachine()
    const ports = m.cpu.ports as { read: (address: number, size: 1 | 2 | 4) => number }
    const { read } = ports
    ports.read = (address, size) => {
      if (m.io.length === 9) {
        m.interrupts.vector = 0x40
        m.cpu.interruptPending()
      }
      return read(address, size)
    }
    m.execute([0xf3, 0x6c, 0xf4], { change: (r) => { r.gpr[1] = 100n; r.gpr[2] = 0x80n; r.gpr[7] = 0x9000n } })
    expect([stoppedIn(m), m.io.length, m.registers().gpr[1], m.stack(1)[0]]).toEqual([0x40, 10, 90n, BigInt(CODE)])
  })
})

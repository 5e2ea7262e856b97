import { describe, expect, test } from 'vitest'
import { APIC_MAILBOX_WORDS, ApicBus, ApicMailbox, LocalApic, RemoteApic } from '../../src/index.ts'

const FIXED = 0
const NMI = 4
const INIT = 5
const STARTUP = 6
const SVR = 0xf0

/** A local APIC in its own thread's bus, and what stands for it on another's. */
function pair(): { apic: LocalApic; mailbox: ApicMailbox; other: ApicBus; kicks: () => number; signals: string[] } {
  const words = new Int32Array(new SharedArrayBuffer(APIC_MAILBOX_WORDS * 4))
  const mailbox = new ApicMailbox(words)
  const signals: string[] = []
  const apic = new LocalApic({
    id: 3, bootstrap: false, bus: new ApicBus(), clock: { now: () => 0, wallClock: () => 0, schedule: () => ({ cancel: () => {} }) },
    signals: {
      interruptPending: () => {}, nmi: () => void signals.push('nmi'), smi: () => {}, init: () => void signals.push('init'),
      sipi: (vector) => void signals.push(`sipi ${vector}`),
    },
    tsc: () => 0n, tscFrequency: 1e9, onUpdate: (changed) => mailbox.publish(changed),
  })
  const other = new ApicBus()
  let kicks = 0
  other.attach(new RemoteApic(new ApicMailbox(words), () => void kicks++))
  return { apic, mailbox, other, kicks: () => kicks, signals }
}

describe('a local APIC in another thread', () => {
  test('is addressed as it is set up there, and takes what was left', () => {
    const { apic, mailbox, other, kicks } = pair()
    expect(other.deliver(3, false, FIXED, 0x50, false)).toBe(false)
    apic.write(SVR, 4, 0x1ff)
    expect(other.deliver(3, false, FIXED, 0x50, false)).toBe(true)
    expect(other.deliver(2, false, FIXED, 0x51, false)).toBe(false)
    other.deliver(3, false, FIXED, 0xff, true)
    expect(kicks()).toBe(2)
    expect(apic.pending()).toBe(false)
    mailbox.collect(apic)
    expect([apic.acknowledge(), apic.acknowledge()]).toEqual([0xff, -1])
    // The level-triggered one is in the trigger mode register until its end.
    expect(apic.read(0x1f0, 4)).toBe(0x80000000)
    apic.write(0xb0, 4, 0)
    expect(apic.acknowledge()).toBe(0x50)
  })

  test('logical destinations and x2APIC are known to others', () => {
    const { apic, other } = pair()
    apic.write(SVR, 4, 0x1ff)
    apic.write(0xd0, 4, 0x04000000)
    expect([other.deliver(4, true, FIXED, 0x40, false), other.deliver(8, true, FIXED, 0x40, false)]).toEqual([true, false])
    apic.writeMsr(0x1b, 0xfee00c00, 0)
    expect([other.deliver(8, true, FIXED, 0x40, false), other.deliver(4, true, FIXED, 0x40, false)]).toEqual([true, false])
  })

  test('INIT comes before its start-up IPI, and a reset forgets', () => {
    const { apic, mailbox, other, signals } = pair()
    for (const mode of [STARTUP, INIT, NMI]) other.deliver(3, false, mode, mode === STARTUP ? 9 : 0, false)
    mailbox.collect(apic)
    expect(signals).toEqual(['init', 'nmi', 'sipi 9'])
    other.deliver(3, false, NMI, 0, false)
    mailbox.clear()
    mailbox.collect(apic)
    expect(signals).toHaveLength(3)
  })
})

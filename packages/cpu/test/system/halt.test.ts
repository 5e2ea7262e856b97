import { expect, it } from 'vitest'
import { protectedMachine, stoppedIn } from '../support/system.ts'

it('leaves HLT behind STI for an interrupt that comes later (vol. 2A, HLT; vol. 2B, STI)', () => {
  const m = protectedMachine()
  // sti; hlt with nothing pending
  expect(m.execute([0xfb, 0xf4], { change: (r) => void (r.rflags = 2n) })).toEqual({ reason: 'halt' })
  m.interrupts.vector = 0x50
  m.cpu.interruptPending()
  m.cpu.run(100)
  expect(stoppedIn(m)).toBe(0x50)
})

import { describe, expect, it } from 'vitest'
import { longMachine, protectedMachine, realMachine } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

const IF = 0x200
const IOPL = 0x3000
/** CF PF AF ZF SF DF OF NT. */
const ANYONE = 0x4cd5
const AC_ID = 0x240000
const IMAGES = [0, ...Array.from({ length: 22 }, (_, bit) => 1 << bit).filter((bit) => bit !== 0x100), 0x3ffeff & ~0x100, 0x8d5, 0x246]
const STARTS = [0x2, 0x202, 0x3202, 0x3002, 0x4602, 0x240202, 0xad7, 0x42]

const le32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24]

/** Pushes `image`, POPF, PUSHF, POP eAX, HLT; the image that PUSHF gave. */
function popAndPush(m: SystemBench, image: number, start: number, cpl: 0 | 3, prefix: number[], word: boolean): number {
  const push = word ? [0x68, image & 0xff, (image >> 8) & 0xff] : [0x68, ...le32(image)]
  m.execute([...prefix, ...push, ...prefix, 0x9d, ...prefix, 0x9c, ...prefix, 0x58, 0xf4], {
    cpl, change: (r) => {
      r.rflags = BigInt(start)
      r.gpr[0] = 0n
    },
  })
  return Number(m.registers().gpr[0])
}

const expected = (start: number, image: number, cpl: number, word: boolean): number => {
  const iopl = (start >> 12) & 3
  let mask = ANYONE | (word ? 0 : AC_ID)
  if (cpl <= iopl) mask |= IF
  if (cpl === 0) mask |= IOPL
  return (((start & ~mask) | (image & mask) | 2) & (word ? 0xffff : 0x3fffff)) >>> 0
}

describe('POPF and PUSHF (SDM vol. 2, POPF, table 4-16)', () => {
  for (const [name, machine, cpl, prefix, word] of [
    ['32-bit at CPL 0', protectedMachine, 0, [], false],
    ['32-bit at CPL 3', protectedMachine, 3, [], false],
    ['16-bit at CPL 0', protectedMachine, 0, [0x66], true],
    ['16-bit at CPL 3', protectedMachine, 3, [0x66], true],
    ['64-bit at CPL 0', longMachine, 0, [], false],
    ['64-bit at CPL 3', longMachine, 3, [], false],
    ['real-address mode', realMachine, 0, [], true],
  ] as const) {
    it(`${name}: changes exactly the flags its privilege may change, and RF and VM read as zero`, () => {
      const m = machine()
      for (const start of STARTS) {
        for (const image of IMAGES) {
          const got = popAndPush(m, image, start, cpl, [...prefix], word)
          expect(got.toString(16), `start ${start.toString(16)} image ${image.toString(16)}`).toBe(expected(start, image, cpl, word).toString(16))
        }
      }
    })
  }

  it('an interrupt that waits comes right behind the POPF that sets IF', () => {
    const m = protectedMachine()
    m.interrupts.vector = 0x40
    m.cpu.interruptPending()
    m.execute([0x68, ...le32(0x202), 0x9d, 0x40, 0xf4], { change: (r) => void (r.rflags = 2n) })
    expect(m.registers().gpr[0]).toBe(0n)
  })
})

describe('CLI (SDM vol. 2, CLI)', () => {
  it('clears IF where CPL <= IOPL', () => {
    for (const [cpl, flags] of [[0, 0x202], [3, 0x3202]] as const) {
      const m = protectedMachine()
      m.execute([0xfa, 0x9c, 0x58, 0xf4], { cpl, change: (r) => void (r.rflags = BigInt(flags)) })
      expect(Number(m.registers().gpr[0]) & IF).toBe(0)
    }
  })

  it('is #GP(0) where CPL > IOPL', () => {
    const m = protectedMachine()
    m.execute([0xfa, 0xf4], { cpl: 3 })
    expect(m.stack(1)[0]).toBe(0n)
    expect(Number(m.registers().rip) >> 4).toBe((0x6000 >> 4) + 13)
  })
})

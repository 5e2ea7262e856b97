import { expect, it } from 'vitest'
import type { Gpa, VcpuExit } from '@entresol/interfaces'
import { CODE, GDT, IDT, longMachine, protectedMachine, realMachine, TSS, TSS2 } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

function generator(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Opcodes of system instructions, so that random code meets them often. */
const SYSTEM: readonly (readonly number[])[] = [
  [0x0f, 0x00], [0x0f, 0x01], [0x0f, 0x02], [0x0f, 0x03], [0x0f, 0x05], [0x0f, 0x07], [0x0f, 0x20], [0x0f, 0x21], [0x0f, 0x22], [0x0f, 0x23], [0x0f, 0x30],
  [0x0f, 0x31], [0x0f, 0x32], [0x0f, 0x34], [0x0f, 0x35], [0x0f, 0xa0], [0x0f, 0xa1], [0x0f, 0xa2], [0x0f, 0xae], [0x0f, 0xb2], [0x0f, 0xb4], [0x0f, 0xc7],
  [0x8e], [0x8c], [0x9a], [0xea], [0xff], [0xcb], [0xca], [0xcf], [0xcd], [0xcc], [0xce], [0xf1], [0x9c], [0x9d], [0xfa], [0xfb], [0x63], [0x6c], [0x6e],
  [0xf3, 0x6d], [0xe4], [0xef], [0x06], [0x07], [0x17], [0x1f], [0xc4], [0xc5], [0xf4],
]

function randomize(m: SystemBench, random: (below: number) => number): void {
  for (const [start, bytes] of [[GDT + 0x28, 0xd8], [IDT, 0x200], [TSS, 0x70], [TSS2, 0x70]] as const) {
    for (let i = 0; i < bytes; i++) if (random(3) === 0) m.ram.writeU8((start + i) as Gpa, random(256))
  }
  // Selectors and task links that mostly lead somewhere.
  for (const at of [TSS, TSS2]) for (const offset of [0, 0x48, 0x4c, 0x50, 0x54, 0x58, 0x60]) m.ram.writeU16((at + offset) as Gpa, random(32) * 8 + random(4))
}

const EXITS: readonly VcpuExit['reason'][] = ['slice', 'halt', 'shutdown']

for (const [name, machine] of [['real', realMachine], ['protected', protectedMachine], ['long', longMachine]] as const) {
  it(`random system code over random tables in ${name} mode ends in an exit, never in an exception of the host`, () => {
    const m = machine()
    for (let seed = 1; seed <= (name === 'real' ? 60 : 300); seed++) {
      const random = generator(seed * 7919)
      if (seed % 3 === 0) randomize(m, random)
      const code: number[] = []
      while (code.length < 120) {
        if (random(3) > 0) code.push(...SYSTEM[random(SYSTEM.length)]!)
        code.push(random(256), ...(random(2) ? [random(64) * 8] : []))
      }
      const exit = m.execute(code, {
        cpl: name !== 'real' && random(2) ? 3 : 0, steps: 200,
        change: (r) => {
          for (let i = 0; i < 16; i++) if (i !== 4 && random(2)) r.gpr[i] = BigInt(random(4) ? random(0x100) * 8 : random(0x7fffffff)) << BigInt(random(8) ? 0 : 32)
          if (random(4) === 0) r.rflags |= BigInt(random(0x400) << 8) & 0x3f7700n & ~0x20000n
          if (random(4) === 0) r.cr4 |= BigInt(random(4) | (random(2) << 11))
        },
      })
      expect({ seed, known: EXITS.includes(exit.reason) }).toEqual({ seed, known: true })
    }
    expect(m.ram.readU8(CODE as Gpa)).toBeTypeOf('number')
  }, 60_000)
}

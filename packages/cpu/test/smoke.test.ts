import { expect, it } from 'vitest'
import { createBench, enterLongMode } from './support/bench.ts'

it('adds, loops and halts in long mode', () => {
  const bench = createBench()
  // mov ecx, 1000000; xor eax, eax; l: add rax, rcx; dec ecx; jnz l; int3-like ud2
  bench.load(0x5000, Uint8Array.of(0xb9, 0x40, 0x42, 0x0f, 0, 0x31, 0xc0, 0x48, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xf9, 0x0f, 0x0b))
  enterLongMode(bench, 0x5000)
  bench.cpu.intercepts.exceptions = 1 << 6
  const exit = bench.cpu.run(10_000_000)
  expect(exit).toMatchObject({ reason: 'intercept', event: { kind: 'exception', vector: 6 } })
  const r = bench.cpu.getRegisters()
  expect(r.gpr[0]).toBe(500000500000n)
  expect(r.rip).toBe(0x500en)
  expect(bench.cpu.instructionCount).toBe(3_000_002)
})

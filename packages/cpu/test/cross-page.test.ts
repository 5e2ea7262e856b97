import { expect, it } from 'vitest'
import { createBench, enterLongMode } from './support/bench.ts'

/** At 8FFDh: add eax, 11223344h across the page's end; dec ecx; jnz to it; hlt. */
function loop(): ReturnType<typeof createBench> {
  const bench = createBench()
  enterLongMode(bench, 0x8ffd)
  bench.load(0x8ffd, Uint8Array.of(0x05, 0x44, 0x33, 0x22, 0x11, 0xff, 0xc9, 0x75, 0xf7, 0xf4))
  return bench
}

function go({ cpu }: ReturnType<typeof createBench>, count: bigint): bigint {
  const r = cpu.getRegisters()
  r.gpr[0] = 0n
  r.gpr[1] = count
  cpu.setRegisters({ ...r, rip: 0x8ffdn })
  expect(cpu.run(100_000)).toEqual({ reason: 'halt' })
  return cpu.getRegisters().gpr[0]!
}

it('decodes an instruction across two pages once, however often it runs', () => {
  const bench = loop()
  expect(go(bench, 1000n)).toBe(BigInt.asUintN(32, 0x11223344n * 1000n))
  expect(bench.cpu.code.decoded).toBeLessThan(30)
  expect(bench.cpu.tlb.fills).toBeLessThan(30)
})

it('sees a change of its bytes on either page (SDM vol. 3, 9.1.3)', () => {
  const bench = loop()
  go(bench, 2n)
  bench.load(0x9000, 0x55)
  expect(go(bench, 1n)).toBe(0x11553344n)
  bench.load(0x8ffe, 0x66)
  expect(go(bench, 1n)).toBe(0x11553366n)
})

it('faults on the second page only when the instruction needs it (SDM vol. 3, 5.12)', () => {
  const bench = createBench()
  enterLongMode(bench, 0x1fffff)
  // The page at 200000h is not there; hlt at 1FFFFFh needs only its own byte.
  bench.ram.writeU64(0x3008 as never, 0n)
  bench.load(0x1fffff, 0xf4)
  bench.cpu.tlb.flushAll()
  expect(bench.cpu.run(10)).toEqual({ reason: 'halt' })
})

import { expect, test } from 'vitest'
import type { TraceItem } from '@entresol/cpu'
import { Machine } from '../src/machine.ts'
import { tinyKernel } from './support/rig.ts'

/** Runs a kernel whose code at 1 MiB + 20h starts with `code`, and returns the trace. */
async function trace(items: readonly TraceItem[], code: readonly number[] = []): Promise<{ lines: string[]; machine: Machine }> {
  const kernel = tinyKernel()
  kernel.set(code, 0x20)
  const lines: string[] = []
  const machine = new Machine({ kernel, isaDebugExit: {}, noReboot: true, deterministic: true, memory: 4 << 20, trace: { items, write: (line) => lines.push(line) } })
  await machine.boot()
  await machine.stopped
  return { lines, machine }
}

test('exec shows every instruction once, with its address', async () => {
  // mov ecx, 3; dec ecx; jnz -3; then the guest exits: mov, mov, out.
  const exit = [0x66, 0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee]
  const { lines } = await trace(['exec'], [0xb9, 3, 0, 0, 0, 0x49, 0x75, 0xfd, ...exit])
  const at = (offset: number): string => `exec: cpu=0 0010:${(0x100020 + offset).toString(16).padStart(16, '0')}`
  expect(lines.slice(0, 10)).toEqual([0, 5, 6, 5, 6, 5, 6, 8, 12, 14].map(at))
})

test('int shows every delivery up to the triple fault: vector, error code, place, stack', async () => {
  const { lines, machine } = await trace(['int'], [0x0f, 0x0b])
  expect(await machine.stopped).toMatchObject({ reason: 'shutdown' })
  // The kernel has no IDT: #UD (6) meets #GP with the gate's selector and EXT (6 * 8 + 2 + 1), that is a double fault (SDM vol. 3, table 7-5).
  expect(lines.map((line) => /^ *(\d+): v=(..) e=(....) i=0 cpl=0 IP=0010:0{10}100020 pc=0{10}100020 SP=0018:/.exec(line)?.slice(1)))
    .toEqual([['0', '06', '0000'], ['1', '0d', '0033'], ['2', '08', '0000']])
})

test('int tells INT n from an exception, and shows CR2 of a page fault', async () => {
  const software = await trace(['int'], [0xcd, 0x80])
  expect(software.lines[0]).toMatch(/v=80 e=0000 i=1 cpl=0 IP=0010:0{10}100022 /)
  // mov cr3, eax = 0 with paging on: the next fetch finds no page.
  const paging = await trace(['int', 'mmu'], [0x31, 0xc0, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0])
  expect(paging.lines.find((line) => line.includes('v=0e'))).toMatch(/CR2=0{10}100030 cpu=0$/)
  expect(paging.lines).toContainEqual(expect.stringMatching(/^mmu: cpu=0 page fault at 0{10}100030 e=0000 \(not present, read, supervisor\) from 0010:/))
  expect(paging.lines).toContainEqual(expect.stringMatching(/^mmu: cpu=0 paging CR0=80000011 CR3=00000000 /))
  expect(paging.lines).toContainEqual('mmu: cpu=0 TLB flush all')
})

test('a machine without a trace runs the same instructions', async () => {
  // Ends in a triple fault: where a machine stands after `exit` depends on when it looks.
  const code = [0xb9, 3, 0, 0, 0, 0x49, 0x75, 0xfd, 0x0f, 0x0b]
  const traced = await trace(['exec', 'int', 'mmu'], code)
  const kernel = tinyKernel()
  kernel.set(code, 0x20)
  const machine = new Machine({ kernel, isaDebugExit: {}, noReboot: true, deterministic: true, memory: 4 << 20 })
  await machine.boot()
  expect(await machine.stopped).toEqual(await traced.machine.stopped)
  expect(machine.describeRegisters()).toBe(traced.machine.describeRegisters())
})

test('many CPUs share what guest RAM leaves for decoded code', { timeout: 60_000 }, async () => {
  const machine = new Machine({ kernel: tinyKernel(), isaDebugExit: {}, memory: 3584 << 20 >>> 0, cpus: 16 })
  await machine.boot()
  expect(await machine.stopped).toEqual({ reason: 'exit', code: 0x55 })
})

test('an item that cannot be traced is refused by name', () => {
  const make = (): Machine => new Machine({ kernel: tinyKernel(), trace: { items: ['cpu' as TraceItem], write: () => {} } })
  expect(make).toThrow(/'cpu' cannot be traced: there are exec, int, mmu/)
})

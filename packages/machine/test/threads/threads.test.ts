import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { threadsAvailable } from '../../src/threads/host-thread.ts'
import { DATA, RESULT, twoCpus } from './two-cpus.ts'
import type { TwoCpus } from './two-cpus.ts'

/** Routines of guest.S. */
const COUNT = 0
const MESSAGES = 1
const STORE_BUFFERS = 2
const INTERRUPTS = 3
const PATCH = 4

// Generous: the two wait for each other at every turn, and on a busy machine each waits for its processor too.
describe.runIf(threadsAvailable)('two vCPUs in two threads', { timeout: 300_000 }, () => {
  let guest: TwoCpus
  beforeAll(async () => { guest = await twoCpus() })
  afterAll(() => guest.end())

  test('locked instructions lose nothing, whatever their operand\'s size and alignment (SDM vol. 3, 9.1.2)', async () => {
    // Without LOCK, thousands are lost.
    const count = 1_000_000
    await guest.run(COUNT, count)
    const { read } = guest
    const total = BigInt(2 * count)
    const field = (offset: number, bits: bigint): bigint => (read(DATA + offset) & ((1n << bits) - 1n))
    expect(field(0, 32n)).toBe(total)
    expect(read(DATA + 8)).toBe(total)
    expect(field(0x13, 16n)).toBe(total & 0xffffn)
    expect(field(0x1e, 32n)).toBe(total)
    expect(field(0x29, 8n)).toBe(total & 0xffn)
    expect(read(DATA + 0x30)).toBe(total)
    expect([read(DATA + 0x40), read(DATA + 0x48)]).toEqual([total, BigInt.asUintN(64, -total)])
    expect([field(0x50, 32n), field(0x54, 32n)]).toEqual([total, BigInt.asUintN(32, -total)])
    expect(read(DATA + 0x68)).toBe(total)
    // Each count of one CPU complements the same bit of a bit string as that of the other.
    for (let at = 0x70; at < 0x70 + count / 8; at += 8) expect(read(DATA + at)).toBe(0n)
  })

  test('stores are seen in their order', async () => {
    await guest.run(MESSAGES, 300_000)
    expect(guest.read(RESULT)).toBe(0n)
  })

  test('with MFENCE between store and load, not both loads miss the other\'s store', async () => {
    const count = 3000
    await guest.run(STORE_BUFFERS, count)
    let missed = 0
    for (let turn = 1; turn <= count; turn++) {
      const seen = [0, 1].map((cpu) => guest.read(RESULT + (cpu * count + turn) * 8))
      if (seen.every((value) => value < BigInt(turn))) missed++
    }
    expect(missed).toBe(0)
  })

  test('x2APIC interrupts go back and forth, from running and from halted processors', async () => {
    for (const at of [RESULT, RESULT + 8]) guest.platform.ram.writeU64(at as never, 0n)
    await guest.run(INTERRUPTS, 500)
    expect([guest.read(RESULT), guest.read(RESULT + 8)]).toEqual([500n, 500n])
  })

  test('code that one patches is what the other executes behind a serialising instruction (9.1.3)', async () => {
    guest.platform.ram.writeU64(RESULT as never, 0n)
    await guest.run(PATCH, 500)
    expect(guest.read(RESULT)).toBe(0n)
  })

  test('registers and counters of a paused vCPU can be read', () => {
    const second = guest.platform.allVcpus[1]!
    expect(second.getRegisters().efer & 0x500n).toBe(0x500n)
    expect(second.instructionCount).toBeGreaterThan(1000)
    expect(() => second.setRegisters(second.getRegisters())).toThrow(expect.objectContaining({ code: 'vcpu-in-thread' }))
  })
})

import { afterAll, describe, expect, test } from 'vitest'
import { EXTENDED_DEFAULT, EXT_MXCSR, EXT_ST, EXT_YMM } from '../src/case.ts'
import { bytes, one, realCpuOrSkip, testCase } from './harness.ts'

const cpu = await realCpuOrSkip()
afterAll(() => cpu?.stop())

// Truths worked out by hand from the SDM.
describe.skipIf(!cpu)('the real CPU', () => {
  const run = (...args: Parameters<typeof testCase>) => one(cpu!, testCase(...args))

  test.each([true, false])('adds with the flags of a signed overflow (straight: %s)', async (straight) => {
    const outcome = await run('01 c8', { 0: 0x7fff_ffffn, 1: 1n }, { straight })
    expect(outcome.kind).toBe('done')
    expect(outcome.gpr[0]).toBe(0x8000_0000n)
    // OF, SF, AF, PF; not CF, ZF; and never TF.
    expect(outcome.rflags).toBe(0x202 | 0x800 | 0x80 | 0x10 | 0x04)
    expect(outcome.rip).toBe(0x10_0802n)
  })

  test('divides by zero with #DE at the instruction', async () => {
    const outcome = await run('f7 f1', { 0: 5n })
    expect(outcome.fault).toEqual({ vector: 0, errorCode: 0 })
    expect(outcome.rip).toBe(0x10_0800n)
  })

  test('raises #UD for UD2, #GP for HLT, #BP behind INT3, #GP(n * 8 + 2) for INT n', async () => {
    expect((await run('0f 0b')).fault).toEqual({ vector: 6, errorCode: 0 })
    expect((await run('f4')).fault).toEqual({ vector: 13, errorCode: 0 })
    const breakpoint = await run('cc')
    expect(breakpoint.fault).toEqual({ vector: 3, errorCode: 0 })
    expect(breakpoint.rip).toBe(0x10_0801n)
    expect((await run('cd 20')).fault).toEqual({ vector: 13, errorCode: 0x20 * 8 + 2 })
  })

  test.each([
    ['a read of the guard page', '8b 00', 0x20_2000n, 4],
    ['a write to the guard page', '89 00', 0x20_2000n, 6],
    ['a write to a read-only page', '89 00', 0x20_3000n, 7],
    ['a write to the code page', '89 00', 0x10_0000n, 7],
    ['a read of the upper half', '8b 00', 0xffff_8000_0000_0000n, 4],
  ])('reports %s with its address and error code', async (_, code, address, errorCode) => {
    expect((await run(code, { 0: address })).fault).toEqual({ vector: 14, errorCode, address })
    expect((await run(code, { 0: address }, { straight: true })).fault).toEqual({ vector: 14, errorCode, address })
  })

  test('reports the first byte beyond the page for an access that straddles it, and an instruction fetch as one', async () => {
    const straddling = await run('48 89 00', { 0: 0x20_1ffcn })
    expect(straddling.fault).toEqual({ vector: 14, errorCode: 6, address: 0x20_2000n })
    expect(straddling.memory).toEqual([])
    const fetch = await run('48', {}, { codeAddress: 0x10_0fff })
    expect(fetch.fault).toEqual({ vector: 14, errorCode: 0x14, address: 0x10_1000n })
  })

  test('tells non-canonical data from non-canonical stack, and misalignment under AC', async () => {
    expect((await run('8b 00', { 0: 0x8000_0000_0000n })).fault).toEqual({ vector: 13, errorCode: 0 })
    expect((await run('8b 45 00', { 5: 0x8000_0000_0000n })).fault).toEqual({ vector: 12, errorCode: 0 })
    expect((await run('8b 00', { 0: 0x20_0001n }, { rflags: 0x40202 })).fault).toEqual({ vector: 17, errorCode: 0 })
  })

  test('stores what the instruction stores, without our trap flag', async () => {
    const outcome = await run('9c')
    expect(outcome.gpr[4]).toBe(0x20_17f8n)
    expect(outcome.memory.map(({ address }) => address)).toEqual([0x20_17f8])
    expect([...outcome.memory[0]!.bytes]).toEqual([0x02, 0x02, 0, 0, 0, 0, 0, 0])
  })

  test('forgets TF and ID that a POPF left, before the next case', async () => {
    const popped = await run('9d', { 4: 0x20_1000n }, { memory: [{ address: 0x20_1000, bytes: bytes('02 03 20 00 00 00 00 00') }] })
    expect(popped.rflags).toBe(0x200302)
    expect((await run('90')).rflags).toBe(0x202)
  })

  test('runs one instruction only, behind MOV SS too', async () => {
    expect((await run('8e d0', { 0: 0x2bn })).rip).toBe(0x10_0802n)
  })

  test('reads single-byte INC in 32-bit mode, where 64-bit mode has REX', async () => {
    const outcome = await run('40', { 0: 0xffff_ffffn }, { mode: 32 })
    expect(outcome.gpr[0]).toBe(0n)
    expect(outcome.rip).toBe(0x10_0801n)
    expect(outcome.rflags & 0x41).toBe(0x40)
    expect((await run('ce', {}, { mode: 32, rflags: 0xa02 })).fault).toEqual({ vector: 4, errorCode: 0 })
  })

  test('clears the upper half of YMM for VEX.128 and keeps it for legacy SSE', async () => {
    const extended = EXTENDED_DEFAULT.slice()
    extended.fill(0x11, EXT_YMM, EXT_YMM + 64)
    const upper = (state: Uint8Array): number[] => [...state.subarray(EXT_YMM + 16, EXT_YMM + 32)]
    const vex = await run('c5 f9 fc c1', {}, { extended })
    const legacy = await run('66 0f fc c1', {}, { extended })
    expect([...vex.extended.subarray(EXT_YMM, EXT_YMM + 16)]).toEqual(Array(16).fill(0x22))
    expect([...legacy.extended.subarray(EXT_YMM, EXT_YMM + 16)]).toEqual(Array(16).fill(0x22))
    expect(upper(vex.extended)).toEqual(Array(16).fill(0))
    expect(upper(legacy.extended)).toEqual(Array(16).fill(0x11))
  })

  test('raises #XM and #MF for unmasked exceptions', async () => {
    const sse = EXTENDED_DEFAULT.slice()
    new DataView(sse.buffer).setUint32(EXT_MXCSR, 0x1f80 & ~0x200, true) // ZM clear
    sse.set([0, 0, 0x80, 0x3f], EXT_YMM)
    expect((await run('f3 0f 5e c1', {}, { extended: sse })).fault).toEqual({ vector: 19, errorCode: 0 })
    const x87 = EXTENDED_DEFAULT.slice()
    x87.set([0x7e, 0x03, 0x81, 0x80, 0x00]) // IM clear, IE and ES set
    expect((await run('d9 e8', {}, { extended: x87 })).fault).toEqual({ vector: 16, errorCode: 0 })
  })

  test('pushes 1.0 on the x87 stack with FLD1', async () => {
    const { extended } = await run('d9 e8', {}, { straight: true })
    expect([...extended.subarray(EXT_ST, EXT_ST + 10)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f])
    expect(extended[4]).toBe(0x80)
  })

  test.each([true, false])('runs REP to its end or to its fault (straight: %s)', async (straight) => {
    const how = straight ? { straight } : { repeat: true }
    const filled = await run('f3 aa', { 0: 0x55n, 1: 5n, 7: 0x20_0100n }, how)
    expect([filled.gpr[1], filled.gpr[7], filled.rip]).toEqual([0n, 0x20_0105n, 0x10_0802n])
    const cut = await run('f3 aa', { 0: 0x55n, 1: 5n, 7: 0x20_1ffen }, how)
    expect(cut.fault).toEqual({ vector: 14, errorCode: 6, address: 0x20_2000n })
    expect([cut.gpr[1], cut.gpr[7], cut.rip]).toEqual([3n, 0x20_2000n, 0x10_0800n])
  })

  test('names a system call instead of making it, and survives', async () => {
    expect((await run('0f 05')).kind).toBe('system-call')
    expect((await run('cd 80')).kind).toBe('system-call')
    expect((await run('90')).kind).toBe('done')
  })

  test('refuses a case that does not fit the layout', async () => {
    await expect(run('90', {}, { codeAddress: 0x20_0000 })).rejects.toMatchObject({ code: 'ERR_ORACLE_CASE' })
    await expect(run('90', {}, { memory: [{ address: 0x20_1fff, bytes: bytes('00 00') }] })).rejects.toMatchObject({ code: 'ERR_ORACLE_CASE' })
  })

  test('gives outcomes in the order of the cases over many batches', async () => {
    const cases = Array.from({ length: 5000 }, (_, i) => testCase('48 ff c0', { 0: BigInt(i) }, { straight: i % 2 === 0 }))
    const outcomes = await cpu!.run(cases)
    expect(outcomes.every((outcome, i) => outcome.gpr[0] === BigInt(i + 1))).toBe(true)
  })
})

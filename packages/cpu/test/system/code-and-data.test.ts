import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { CODE, le, longMachine } from '../support/system.ts'

const DATA = CODE + 0x800

/** mov eax, value; mov [address], eax */
const store = (address: number, value: number): number[] => [0xb8, ...le(value, 4), 0x89, 0x04, 0x25, ...le(address, 4)]

describe('stores to pages of code', () => {
  it('reach memory directly beside the instructions', () => {
    const m = longMachine()
    m.execute([...store(DATA, 0x12345678), 0xf4])
    expect(m.u32(DATA)).toBe(0x12345678)
    expect(m.cpu.code.invalidated).toBe(0)
  })

  it('change the instructions they overwrite, at once', () => {
    const m = longMachine()
    // The immediate of the second MOV, which is decoded in the same run: mov ebx, 1.
    const first = store(CODE + 12, 0x11223344)
    expect(first.length).toBe(12)
    m.execute([...first, 0xbb, 0, 0, 0, 0, 0xf4], { change: (r) => (r.gpr[3] = 0n) })
    // Bytes 12..15 now are 44 33 22 11: add [...]; the run stopped being what it was.
    expect(m.cpu.code.invalidated).toBeGreaterThan(0)
  })

  it('make a frame that takes many of them data, which is code again when executed', () => {
    const m = longMachine()
    // mov ecx, 5000; l: mov [DATA], ecx; dec ecx; jnz l; jmp back to a HLT
    const other = CODE + 0x1000
    m.load(other, Uint8Array.of(0xb9, ...le(5000, 4), 0x89, 0x0c, 0x25, ...le(DATA, 4), 0xff, 0xc9, 0x75, 0xf5, 0xe9, ...le(CODE + 5 - (other + 21), 4)))
    m.execute([0xe9, ...le(other - (CODE + 5), 4), 0xf4])
    expect(m.cpu.code.invalidated).toBeGreaterThan(0)
    expect(m.u32(DATA)).toBe(1)
    expect(m.registers().rip).toBe(BigInt(CODE + 6))
    // Its instructions are noticed again.
    m.ram.writeU8((CODE + 5) as Gpa, 0x90)
    m.ram.writeU8((CODE + 6) as Gpa, 0xf4)
    m.execute([0xe9, ...le(0, 4), 0x90, 0xf4])
    expect(m.registers().rip).toBe(BigInt(CODE + 7))
  })
})

import { CodedError } from '@entresol/kit'
import type { Outcome, TestCase } from '../src/case.ts'
import { RealCpu } from '../src/real-cpu.ts'

/** The real CPU, or undefined with a printed line that says why it is missing here. */
export async function realCpuOrSkip(): Promise<RealCpu | undefined> {
  try {
    return await RealCpu.start()
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    console.log(`skipped, no real CPU: ${error.message}`)
    return undefined
  }
}

export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(' '), (byte) => parseInt(byte, 16))
}

export function testCase(code: string, registers: Record<number, bigint> = {}, more: Partial<TestCase> = {}): TestCase {
  const gpr = new BigUint64Array(16)
  gpr[4] = 0x0020_1800n
  for (const [index, value] of Object.entries(registers)) gpr[Number(index)] = value
  return { mode: 64, code: bytes(code), gpr, rflags: 0x202, ...more }
}

export async function one(cpu: RealCpu, test: TestCase): Promise<Outcome> {
  const [outcome] = await cpu.run([test])
  return outcome as Outcome
}

import { EXT_MXCSR } from './case.ts'
import type { Outcome, TestCase } from './case.ts'

/** MM, bit 17 of MXCSR: AMD's misaligned exception mask (APM vol. 1, 4.2.2). */
const MISALIGNED_EXCEPTION_MASK = 0x02

/** Top of the user half: what lies there belongs to the operating system, whose answer is not the CPU's. */
const TOP_PAGES = 0x7fff_ffff_f000n

/**
 * Cases whose outcome is the environment's: addresses at the borders of the canonical halves, where a virtual machine monitor may
 * have its own opinion. And what is this vendor's: MXCSR bit 17, which operand's fault CMPS reports when both have one, and whether MASKMOV
 * with nothing to store faults.
 */
export function saysNothing(form: string, testCase: TestCase, outcome: Outcome): boolean {
  const address = outcome.fault?.address
  if (address !== undefined && (address >= TOP_PAGES || form.startsWith('CMPS'))) return true
  if (outcome.fault && /^V?MASKMOV(Q|DQU)/.test(form)) return true
  if (/^V?LDMXCSR/.test(form) && outcome.extended[EXT_MXCSR + 2]! & MISALIGNED_EXCEPTION_MASK) return true
  return testCase.mode === 64 && outcome.fault?.vector === 13 && touchesBorder(testCase)
}

/** A #GP of an address is compared only well inside the gap between the halves. */
function touchesBorder(testCase: TestCase): boolean {
  return testCase.gpr.some((value) => {
    const high = value >> 40n
    return high === 0xffff7fn || high === 0xffff80n || high === 0x7fn
  })
}

import type { TestCase } from './case.ts'
import { CaseBuilder } from './case-builder.ts'
import type { InstructionForm } from './forms.ts'
import type { Flavour } from './seed-state.ts'

export interface GeneratedCase {
  readonly form: InstructionForm
  readonly seed: number
  readonly flavour: Flavour
  readonly testCase: TestCase
  readonly undefinedFlags: number
}

/** One case of a form from a seed; undefined when the draw landed on something that is not architectural. */
export function generateCase(form: InstructionForm, seed: number, index: number): GeneratedCase | undefined {
  const flavour = form.flavours[index % form.flavours.length] as Flavour
  const c = new CaseBuilder(seed, flavour)
  c.straight = form.straight
  let code = form.encode(c)
  if (code.length <= 15 && c.random.oneIn(64)) code = atPageEnd(c, code)
  const testCase = c.finish(code)
  if (form.reject?.(testCase)) return undefined
  const undefinedFlags = typeof form.flagsUndefined === 'number' ? form.flagsUndefined : form.flagsUndefined(testCase)
  return { form, seed, flavour, testCase, undefinedFlags }
}

/** Ends the code at the end of its page, or cuts it there: the fetch of the rest faults. RIP-relative operands then point elsewhere. */
function atPageEnd(c: CaseBuilder, code: Uint8Array): Uint8Array {
  return c.placeAtPageEnd(code, c.random.oneIn(2) ? 0 : c.random.below(code.length))
}

/** One sentence every implementation must make true. */
export interface Law<Subject> {
  readonly name: string
  /** Calls `violated` once or more when the law does not hold. An exception counts as a violation too, so laws need not catch. */
  check(subject: Subject, violated: (detail: string) => void): void | Promise<void>
}

/** The laws of one contract. `Subject` is what a test hands over: the implementation and how to provoke it. */
export interface Suite<Subject> {
  /** Name of the contract. */
  readonly name: string
  readonly laws: readonly Law<Subject>[]
}

export interface Violation {
  readonly law: string
  readonly detail: string
}

/** At most this many details per law: one broken byte otherwise reports itself thousands of times. */
const MAX_DETAILS = 5

/** Runs one law on a fresh subject. */
export async function checkLaw<Subject>(law: Law<Subject>, make: () => Subject | Promise<Subject>): Promise<Violation[]> {
  const found: Violation[] = []
  try {
    await law.check(await make(), (detail) => {
      if (found.length < MAX_DETAILS) found.push({ law: law.name, detail })
    })
  } catch (error) {
    found.push({ law: law.name, detail: `threw ${String(error)}` })
  }
  return found
}

/** Runs all laws, each on a fresh subject from `make`, and returns what is violated. Empty means compliant. */
export async function findViolations<Subject>(suite: Suite<Subject>, make: () => Subject | Promise<Subject>): Promise<Violation[]> {
  const found: Violation[] = []
  for (const law of suite.laws) found.push(...(await checkLaw(law, make)))
  return found
}

/** The two functions of a test framework that `describeSuite` needs; vitest, jest, mocha and node:test all have them. */
export interface TestFramework {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
}

/** Declares one test per law in your test framework: `describeSuite(busDeviceSuite, () => subject, { describe, it })`. */
export function describeSuite<Subject>(suite: Suite<Subject>, make: () => Subject | Promise<Subject>, framework: TestFramework): void {
  framework.describe(`${suite.name} compliance`, () => {
    for (const law of suite.laws) {
      framework.it(law.name, async () => {
        const found = await checkLaw(law, make)
        if (found.length > 0) throw new ComplianceError(suite.name, found)
      })
    }
  })
}

/** Thrown into the test framework by a violated law. */
export class ComplianceError extends Error {
  readonly code = 'compliance-violation'
  readonly violations: readonly Violation[]
  constructor(suite: string, violations: readonly Violation[]) {
    super(`${suite}: ${violations.map((v) => `${v.law}: ${v.detail}`).join('; ')}`)
    this.name = 'ComplianceError'
    this.violations = violations
  }
}

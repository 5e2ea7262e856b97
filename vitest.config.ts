import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*', 'tooling/*', 'examples/*'],
    // Generous: a busy machine is no failure, and no test asserts a time.
    testTimeout: 60_000,
    passWithNoTests: true
  }
})

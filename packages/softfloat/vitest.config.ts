import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { globalSetup: ['scripts/generate.mjs'], include: ['test/**/*.test.ts'], testTimeout: 60_000 } })

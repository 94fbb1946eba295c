import { defineConfig } from 'vitest/config'

// Peers are other people's programs, started once per file: limits are generous and say nothing about speed.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
})

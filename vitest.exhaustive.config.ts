import { configDefaults, defineConfig } from 'vitest/config'
import config, { EXHAUSTIVE } from './vitest.config.ts'

export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: [EXHAUSTIVE],
    exclude: configDefaults.exclude,
    passWithNoTests: true,
    // The longest takes half a minute on a machine that has nothing else to do.
    testTimeout: 600_000,
  },
})

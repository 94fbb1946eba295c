import { configDefaults, defineConfig } from 'vitest/config'
import config, { EXHAUSTIVE } from './vitest.config.ts'

export default defineConfig({
  ...config,
  test: { ...config.test, include: [EXHAUSTIVE], exclude: configDefaults.exclude, passWithNoTests: true },
})

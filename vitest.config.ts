import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const folders = [...readdirSync('packages').map((name) => `packages/${name}`), 'examples']

export default defineConfig({
  test: {
    // No test measures time: a minute is for machines that are busy with something else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: folders.map((root) => ({ extends: true, root, test: { name: root } })),
  },
})

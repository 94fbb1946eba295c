import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { configDefaults, defineConfig } from 'vitest/config'

const root = import.meta.dirname
const folders = [...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`), 'examples']

// vitest looks upwards for this file, so it is also what runs inside a package: then only that package's tests.
const here = relative(root, process.cwd()).split(sep).join('/')
const selected = folders.filter((folder) => here === folder || here.startsWith(`${folder}/`))

/** What tries every case there is takes minutes: `npm run exhaustive`. */
export const EXHAUSTIVE = '**/*.exhaustive.test.ts'

export default defineConfig({
  test: {
    exclude: [...configDefaults.exclude, EXHAUSTIVE],
    // All cores: by default one is left idle, which is half of a small machine.
    maxWorkers: '100%',
    // No test measures time: a minute is for machines that are busy with something else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: (selected.length > 0 ? selected : folders).map((folder) => ({
      extends: true,
      root: join(root, folder),
      test: { name: folder },
    })),
  },
})

/** Imports the module that it is started with: what that takes beyond what Node needs to start. */
import { serve } from '../contender.ts'

const [, , specifier = ''] = process.argv

await serve({
  import: () => async () => {
    await import(specifier)
  },
})

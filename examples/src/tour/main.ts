/** `node main.js [--fast] [--scheme omemo|ox|otr]`: tells the story; exit code 0 only if it happened as told. */
import { parseArgs } from 'node:util'
import { StoryError } from './fact.ts'
import { hasPython } from './python-device.ts'
import { SCHEMES, tell } from './story.ts'
import { terminal } from './terminal.ts'

try {
  const { fast, scheme } = parseArgs({
    options: { fast: { type: 'boolean' }, scheme: { type: 'string' } },
  }).values
  await tell(
    terminal(process.stdout, fast ?? false),
    hasPython(),
    SCHEMES.find((one) => one === scheme),
  )
} catch (error) {
  console.error('\nThe story went wrong:', error instanceof StoryError ? error.message : error)
  process.exitCode = 1
}

/** `node main.js [--fast]`: tells the story; exit code 0 only if it happened as told. */
import { StoryError } from './fact.ts'
import { hasPython } from './python-device.ts'
import { tell } from './story.ts'
import { terminal } from './terminal.ts'

try {
  await tell(terminal(process.stdout, process.argv.includes('--fast')), hasPython())
} catch (error) {
  console.error('\nThe story went wrong:', error instanceof StoryError ? error.message : error)
  process.exitCode = 1
}

// `npm start`: builds what the tour needs, quietly, and runs it.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const HELP = `npm start [-- --fast] [--scheme omemo|ox|otr]

A tour of end-to-end encryption in the terminal: two people, three devices, and what the server sees.
Exit code 0 only if everything has happened as it is told.

  --scheme  one scheme in depth, instead of OMEMO and a little of the others
  --fast    no pauses (there are none either where the output is not a terminal)
  --help    this

Environment: NO_COLOR=1 for no colours; COLUMNS for the width where the output is not a terminal.`

const SCHEMES = ['omemo', 'ox', 'otr']
const OPTIONS = { fast: { type: 'boolean' }, help: { type: 'boolean' }, scheme: { type: 'string' } }

const root = fileURLToPath(new URL('..', import.meta.url))

function read() {
  try {
    const { values } = parseArgs({ options: OPTIONS })
    if (values.scheme === undefined || SCHEMES.includes(values.scheme)) return values
    throw new Error(`no such scheme: ${values.scheme}`)
  } catch (error) {
    console.error(`tour: ${error.message}\n\n${HELP}`)
    process.exit(2)
  }
}

if (read().help) {
  console.log(HELP)
  process.exit(0)
}

const build = ['exec', 'turbo', 'run', 'build', '--filter=@xmpp-e2e/examples...', '--output-logs=errors-only']
const built = spawnSync(process.execPath, ['scripts/pnpm.mjs', ...build], { cwd: root, encoding: 'utf8' })
if (built.status !== 0) {
  console.error(`tour: the build failed\n\n${built.stdout}${built.stderr}${built.error ?? ''}`)
  process.exit(1)
}

await import('../examples/dist/tour/main.js')

// What the checks need to know of the workspace: where it is and which packages are published from it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Reads a JSON file below the root. */
export const json = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'))

/** Folder names of the packages that are published, in alphabetical order, so that output does not vary. */
export const published = readdirSync(join(root, 'packages'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .filter((name) => !json('packages', name, 'package.json').private)
  .sort()

/** The specifiers under which a package can be imported: `@xmpp-e2e/xml`, `@xmpp-e2e/xml/ltx`, … */
export const specifiers = (name) =>
  Object.keys(json('packages', name, 'package.json').exports)
    .filter((path) => path !== './package.json')
    .map((path) => `@xmpp-e2e/${name}${path.slice(1)}`)

/** Prints every complaint as a sentence of its own and decides the exit code. */
export function conclude(check, complaints) {
  for (const complaint of complaints) console.error(`✗ ${complaint}`)
  if (complaints.length > 0) {
    console.error(`${check}: ${complaints.length} thing(s) to mend.`)
    process.exitCode = 1
  } else console.log(`${check}: all as it should be.`)
}

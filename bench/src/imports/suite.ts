/** What importing takes: the separate files of each package as they are installed, in no bundle. */
import type { Suite } from '../contest.ts'
import { program } from '../program.ts'

export const importOtr = (): Suite =>
  suite('OTR', { ours: '@xmpp-e2e/otr', 'ours, /core': '@xmpp-e2e/otr/core', 'npm otr': 'otr' })

export const importOmemo = (): Suite =>
  suite('OMEMO', { ours: '@xmpp-e2e/omemo', 'ours, /primitives': '@xmpp-e2e/omemo/primitives' })

const suite = (scheme: string, specifiers: Readonly<Record<string, string>>): Suite => ({
  title: `Start of a program with ${scheme}`,
  contenders: Object.entries(specifiers).map(([name, specifier]) =>
    program(name, new URL('importer.js', import.meta.url), specifier),
  ),
  rows: [{ row: 'import', title: 'Import in a fresh process', first: true }],
})

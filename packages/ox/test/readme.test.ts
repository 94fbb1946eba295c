import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

test('the program is the one that is run', () => {
  expect(readme).toContain(`\`\`\`ts\n${read('../../../examples/src/ox.ts').trim()}\n\`\`\``)
})

test.each(['xmppjs', 'strophe', 'stanza'])('the connection for %s is as in a program that is run', (host) => {
  const program = read(`../../../interop/src/programs/omemo-${host}.ts`)
  expect(program).toContain(`import { connection as connect } from '@xmpp-e2e/xml/${host}'`)
  const [line = ''] = program.match(/^const connection = .*$/m) ?? []
  expect(line).not.toBe('')
  expect(readme).toContain(`${line}\n`)
})

test('the README has at most 120 lines besides its programs', () => {
  const besides = readme.replace(/```ts\n.*?```/gs, '')
  expect(besides.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(120)
})

/** The strings of each union whose name ends like this, by its name. */
function unions(source: string, suffix: RegExp): ReadonlyMap<string, readonly string[]> {
  const types = [...source.matchAll(/export type (\w+) =(.*?)(?=\n\n|$)/gs)]
  const named = types.filter(([, name = '']) => suffix.test(name))
  return new Map(
    named.map(([, name = '', union = '']) => [
      name,
      [...union.matchAll(/'([a-z0-9-]+)'/g)].map(([, code = '']) => code),
    ]),
  )
}

/** What stands in the rows of the table with this head. */
function table(head: string): string {
  const [, rows = ''] = readme.split(`| ${head} |`)
  return rows.split('\n\n')[0] ?? ''
}

const missing = (names: readonly string[], text: string) =>
  names.filter((name) => !text.includes(`\`${name}\``))

test.each([
  ['RefusalCode', '`refused`', 12],
  ['SkipCode', 'in `skipped`', 9],
  ['CertificateProblem', 'in `skipped`', 7],
  ['UnreadableCode', '`unreadable`', 19],
  ['WarningCode', 'warning of a message', 7],
  ['Retry', '`unreadable`', 5],
])('every %s has its place in the table of %s', (name, head, count) => {
  const codes = unions(read('../src/outcome.ts'), /./).get(name) ?? []
  expect(codes).toHaveLength(count)
  // What can never be read needs no word of its own.
  expect(missing(codes, table(head)).filter((code) => code !== 'never')).toEqual([])
})

test('and no table has a code that is none', () => {
  const codes = [...unions(read('../src/outcome.ts'), /./).values()].flat()
  for (const head of ['`refused`', 'in `skipped`', '`unreadable`', 'warning of a message']) {
    const first = [...table(head).matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) => cell.split(', '))
    expect(first.length, head).toBeGreaterThan(5)
    expect(first.filter((code) => !codes.includes(code.replaceAll('`', '')))).toEqual([])
  }
})

test('every code of an error', () => {
  const [codes = []] = unions(read('../src/error.ts'), /ErrorCode$/).values()
  expect(codes.length).toBeGreaterThan(15)
  expect(missing(codes, readme)).toEqual([])
})

test('every event', () => {
  const kinds = [...read('../src/event.ts').matchAll(/readonly kind: '([a-z-]+)'/g)].map(
    ([, kind = '']) => kind,
  )
  expect(kinds.length).toBeGreaterThan(9)
  expect(missing(kinds, table('event, with `on`'))).toEqual([])
})

test('the limits are those that hold', async () => {
  const limits: Readonly<Record<string, unknown>> = await import('../src/index.ts')
  const named = [...readme.matchAll(/`(MAX_\w+)`(?: \((\d+)( KiB)?)?/g)]
  expect(named.length).toBeGreaterThan(6)
  for (const [, name = '', value, unit] of named) {
    expect(limits[name], name).toBeTypeOf('number')
    if (value !== undefined) expect(limits[name], name).toBe(Number(value) * (unit ? 1024 : 1))
  }
})

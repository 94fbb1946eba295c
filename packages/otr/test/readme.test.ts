import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

test('the program is the one that is run', () => {
  expect(readme).toContain(`\`\`\`ts\n${read('../../../examples/src/otr.ts').trim()}\n\`\`\``)
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

test('every code of every outcome has its place in the README', () => {
  const source = ['outcome', 'error', 'protocol/event'].map((name) => read(`../src/${name}.ts`)).join('\n')
  const types = [...source.matchAll(/export type \w*(?:Code|Reason) =(.*?)(?=\n\n|$)/gs)]
  expect(types).toHaveLength(6)
  const codes = new Set(
    types.flatMap(([, union = '']) => [...union.matchAll(/'([a-z0-9-]+)'/g)].map(([, code]) => code)),
  )
  expect(codes.size).toBeGreaterThan(25)
  expect([...codes].filter((code) => !readme.includes(`\`${code}\``))).toEqual([])
})

test('and every event, and every result of a comparison', () => {
  const source = read('../src/account-event.ts') + read('../src/protocol/smp.ts')
  const [results = ''] = source.match(/readonly result: '.*'$/m) ?? []
  const kinds = [...source.matchAll(/readonly kind: '([a-z-]+)'/g)].map(([, kind]) => kind)
  const names = [...kinds, ...[...results.matchAll(/'([a-z-]+)'/g)].map(([, name]) => name)]
  expect(names.length).toBeGreaterThan(14)
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
})

test('what an import is refused for', () => {
  const [, union = ''] = read('../src/otr.ts').match(/kind: 'refused'; readonly code: ([^}]*)}/) ?? []
  const codes = [...union.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code)
  expect(codes).toHaveLength(2)
  expect(codes.filter((code) => !readme.includes(`\`${code}\``))).toEqual([])
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

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

test.each(['xmppjs', 'strophe', 'stanza'])(
  'the program for %s is the one that is run, of at most 15 lines',
  (host) => {
    const program = read(`../../../interop/src/programs/omemo-${host}.ts`).trim()
    expect(readme).toContain(`\`\`\`ts\n${program}\n\`\`\``)
    expect(program.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(15)
  },
)

test('the bot is of at most 60 lines', () => {
  const bot = read('../../../interop/src/programs/omemo-bot.ts').trim()
  expect(bot.split('\n').length).toBeLessThanOrEqual(60)
})

test('the README has at most 120 lines besides its programs', () => {
  const besides = readme.replace(/```ts\n.*?```/gs, '')
  expect(besides.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(120)
})

test('every code of every outcome has its place in the README', () => {
  const source = ['../src/outcome.ts', '../src/error.ts', '../src/envelope-affixes.ts'].map(read).join('\n')
  const types = [...source.matchAll(/export type \w*(?:Code|Warning) =(.*?)(?=\n\n|\n\/\*\*)/gs)]
  const codes = new Set(
    types.flatMap(([, union = '']) => [...union.matchAll(/'([a-z0-9-]+)'/g)].map(([, code]) => code)),
  )
  expect(codes.size).toBeGreaterThan(40)
  expect([...codes].filter((code) => !readme.includes(`\`${code}\``))).toEqual([])
})

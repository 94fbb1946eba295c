import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as disco from '../src/index.ts'
import * as items from '../src/items.ts'
import * as pep from '../src/pep.ts'
import * as schemes from '../src/schemes.ts'

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = text('../README.md')
const [, program = ''] = /```ts\n(.*?)```/s.exec(readme) ?? []

test('the program of the README is the one in examples', () => {
  expect(program).toBe(text('../../../examples/src/disco.ts'))
})

test('the README has at most 120 lines besides', () => {
  expect(readme.split('\n').length - program.split('\n').length).toBeLessThanOrEqual(120)
})

test('the README names every error, and every limit as it is', () => {
  // The list above each union has one line a code.
  const documented = text('../src/error.ts') + text('../src/pep/error.ts')
  const codes = [...documented.matchAll(/^ \* - `([a-z-]+)`/gm)].map(([, code]) => code)
  expect(codes.length).toBe(4 + 11)
  const rows = readme.split('\n').filter((line) => line.startsWith('| `'))
  for (const code of codes) expect(rows.some((row) => row.split('|')[1]?.includes(`\`${code}\``))).toBe(true)
  const limits = Object.entries({ ...disco, ...items, ...pep, ...schemes }).filter(
    ([, value]) => typeof value === 'number',
  )
  expect(limits.length).toBe(18)
  for (const [name, value] of limits) {
    const row = rows.find((line) => line.split('|')[1]?.includes(`\`${name}\``)) ?? ''
    const written = name.endsWith('_MS') ? `${Number(value) / 1000} s` : String(value)
    expect(row.replace(/(\d) (\d{3})/g, '$1$2')).toContain(written)
  }
})

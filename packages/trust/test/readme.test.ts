import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as trust from '../src/index.ts'

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = text('../README.md')
const prose = readme.replace(/```ts\n[\s\S]*?```/, '')

test('the README stays within 120 lines beside its program', () => {
  expect(prose.split('\n').length).toBeLessThanOrEqual(121)
})

test('the README names every error and every limit, and nothing that is not exported', () => {
  const codes = [...text('../src/error.ts').matchAll(/^ {2}\| '([a-z0-9-]+)'/gm)].map(([, code]) => code)
  expect(codes.length).toBe(6)
  for (const code of codes) expect(prose).toContain(`| \`${code}\` |`)
  const names = Object.keys(trust)
  for (const limit of names.filter((name) => name.startsWith('MAX_'))) expect(prose).toContain(`\`${limit}\``)
  for (const [constant] of prose.matchAll(/\b[A-Z]+_[A-Z_]+\b/g)) expect(names).toContain(constant)
  for (const [, call] of prose.matchAll(/`([a-z][A-Za-z]+)\(/g))
    if (call !== 'qrModules') expect(names).toContain(call)
})

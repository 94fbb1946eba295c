import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as store from '../src/index.ts'

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = text('../README.md')

test('the README stays within 120 lines', () => {
  expect(readme.split('\n').length).toBeLessThanOrEqual(121)
})

test('the README names every error, and nothing that is not exported', () => {
  const codes = [...text('../src/error.ts').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code]) => code)
  expect(codes.length).toBe(5)
  for (const code of codes) expect(readme).toContain(`| \`${code}\` |`)
  for (const [constant] of readme.matchAll(/\b[A-Z]+_[A-Z_]+\b/g))
    expect(Object.keys(store)).toContain(constant)
})

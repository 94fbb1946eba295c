import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as encrypted from '../src/encrypted.ts'
import * as store from '../src/index.ts'
import * as indexeddb from '../src/indexeddb.ts'
import * as libsql from '../src/libsql.ts'

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = text('../README.md')

test('the README stays within 120 lines besides its program', () => {
  const program = /```ts\n[\s\S]*?```/.exec(readme)?.[0] ?? ''
  expect(readme.replace(program, '').split('\n').length).toBeLessThanOrEqual(120)
})

test('the README names every error, in the order of the source, and nothing that is not exported', () => {
  const codes = [...text('../src/error.ts').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(10)
  expect([...readme.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code)).toEqual(codes)
  expect([...text('../src/error.ts').matchAll(/^ \* - `([a-z-]+)`:/gm)].map(([, code]) => code)).toEqual(
    codes,
  )
  for (const [constant] of (readme + text('../DURABLE.md')).matchAll(/\b[A-Z]+_[A-Z_]+\b/g))
    expect(Object.keys({ ...store, ...encrypted, ...indexeddb, ...libsql })).toContain(constant)
})

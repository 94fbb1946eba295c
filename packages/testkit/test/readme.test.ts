import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as testkit from '../src/index.ts'

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = text('../README.md')
const program = text('../../../examples/src/testkit.ts')

test('the README shows the program, and stays within 120 lines besides', () => {
  expect(readme).toContain(`\`\`\`ts\n${program}\`\`\``)
  expect(readme.replace(program, '').split('\n').length).toBeLessThanOrEqual(121)
})

test('the README names every error, every fault, and nothing that is not exported', () => {
  const codes = [...text('../src/error.ts').matchAll(/^ {1,2}(?:\*| \|) [-`' ]*([a-z-]+)[`']/gm)].map(
    ([, code]) => code,
  )
  expect(new Set(codes)).toEqual(new Set(['restless', 'listener-failed', 'unfinished', 'crash-scenario']))
  const kinds = [...text('../src/fault.ts').matchAll(/readonly kind: '([a-z]+)'/g)].map(([, kind]) => kind)
  expect(kinds.length).toBeGreaterThanOrEqual(7)
  for (const name of [...codes, ...kinds]) expect(readme).toContain(`| \`${name}\` |`)
  for (const [constant] of readme.matchAll(/\b[A-Z]+_[A-Z_]+\b/g))
    expect(Object.keys(testkit)).toContain(constant)
})

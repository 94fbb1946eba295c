import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LIMITS } from '../src/index.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

test('the program of the README is the one in examples', () => {
  const [, program] = /```ts\n(.*?)```/s.exec(read('../README.md')) ?? []
  expect(program).toBe(read('../../../examples/src/xml.ts'))
})

test('the limits of the README are the defaults', () => {
  const rows = [...read('../README.md').matchAll(/^\| `(\w+)` \| ([\d ]+?)( MiB)? \|/gm)]
  const limits = rows.map(([, name, figure = '', mega]) => [
    name,
    Number(figure.replaceAll(' ', '')) * (mega ? 2 ** 20 : 1),
  ])
  expect(Object.fromEntries(limits)).toEqual(LIMITS)
})

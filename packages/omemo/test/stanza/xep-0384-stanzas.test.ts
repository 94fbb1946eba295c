import { equal, parse, ShapeError, serialize } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import type { Namespace } from '../../src/protocol.ts'
import { failure } from '../support.ts'
import vectors from '../vectors/stanzas.json' with { type: 'json' }
import { formats, withBytes } from './formats.ts'

interface Case {
  readonly name: string
  readonly kind: string
  readonly namespace: string
  readonly xml: string
  readonly value?: unknown
  readonly readOnly?: boolean
  readonly error?: string
  readonly path?: string
}

const cases: readonly Case[] = vectors.cases

function formatOf(row: Case) {
  return formats[row.kind as keyof typeof formats](row.namespace as Namespace)
}

describe('XEP-0384 §5 and 0.3.0 §4: elements', () => {
  test.each(cases.filter((row) => row.value !== undefined))('$namespace $kind reads: $name', (row) => {
    expect(formatOf(row).decode(parse(row.xml))).toEqual(withBytes(row.value))
  })

  test.each(cases.filter((row) => row.value !== undefined && !row.readOnly))(
    '$namespace $kind writes: $name',
    (row) => {
      const written = formatOf(row).encode(withBytes(row.value))
      expect(equal(written, parse(row.xml)), serialize(written)).toBe(true)
    },
  )

  test.each(cases.filter((row) => row.error !== undefined))('$namespace $kind refuses: $name', (row) => {
    const error = failure(() => formatOf(row).decode(parse(row.xml)))
    expect([error.code, error.path]).toEqual([row.error, row.path])
    expect(error.cause).toBeInstanceOf(ShapeError)
  })
})

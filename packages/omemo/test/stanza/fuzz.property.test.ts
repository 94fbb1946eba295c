import { type Element, element, parse, XmlError } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OmemoError } from '../../src/error.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../../src/protocol.ts'
import vectors from '../vectors/stanzas.json' with { type: 'json' }
import { formats } from './formats.ts'

const kinds = ['device-list', 'bundle', 'encrypted'] as const
const both: readonly Namespace[] = [AXOLOTL, OMEMO_2]

/** Whether anything could be read; fails on any error but an `OmemoError` with a path. */
function reads(kind: keyof typeof formats, ns: Namespace, el: Element): boolean {
  try {
    formats[kind](ns).decode(el)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(OmemoError)
    expect((error as OmemoError).path).toMatch(/^[a-zA-Z]+(\/|@|\[|$)/)
    return false
  }
}

const name = fc.constantFrom(
  ...[
    'list',
    'devices',
    'device',
    'bundle',
    'encrypted',
    'header',
    'keys',
    'key',
    'iv',
    'payload',
    'prekeys',
  ],
  ...[
    'spk',
    'spks',
    'ik',
    'pk',
    'signedPreKeyPublic',
    'signedPreKeySignature',
    'identityKey',
    'preKeyPublic',
  ],
)
const attribute = fc.constantFrom(
  ...['id', 'sid', 'rid', 'kex', 'prekey', 'jid', 'label', 'labelsig', 'signedPreKeyId', 'preKeyId'],
  ...['xml:lang', '{urn:example}id', '__proto__', 'constructor'],
)
const value = fc.constantFrom('', '0', '1', '7', '-1', 'true', 'a@b.example', '@', 'AAAA', '4294967296', '🙂')
const ns = fc.constantFrom<string>(...both, 'jabber:client')

const { tree } = fc.letrec<{ tree: Element; node: Element | string }>((tie) => ({
  node: fc.oneof({ maxDepth: 4 }, value, tie('tree')),
  tree: fc
    .record({
      ns,
      name,
      attrs: fc.array(fc.tuple(attribute, value), { maxLength: 3 }),
      children: fc.array(tie('node'), { maxLength: 4 }),
    })
    .map(({ ns, name, attrs, children }) => element(ns, name, Object.fromEntries(attrs), children)),
}))

describe('whatever is read', () => {
  test('any tree gives a value or an OmemoError', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.constantFrom(...both), tree, (kind, ns, el) => {
        reads(kind, ns, el)
      }),
      { numRuns: 500 },
    )
  })

  // One code unit of a good stanza replaced: what is still XML must give a value or an OmemoError.
  test('any small change gives a value or an OmemoError', () => {
    const rows = vectors.cases.filter((row) => !('error' in row))
    const outcomes = { read: 0, refused: 0 }
    fc.assert(
      fc.property(fc.constantFrom(...rows), fc.noBias(fc.nat(1_000_000)), value, (row, at, put) => {
        const place = at % row.xml.length
        const xml = row.xml.slice(0, place) + put + row.xml.slice(place + 1)
        let el: Element
        try {
          el = parse(xml)
        } catch (error) {
          expect(error).toBeInstanceOf(XmlError)
          return
        }
        const read = reads(row.kind as keyof typeof formats, row.namespace as Namespace, el)
        outcomes[read ? 'read' : 'refused']++
      }),
      { numRuns: 1000 },
    )
    // Both happen often: the changes are neither all noticed by the parser nor all harmless.
    expect(outcomes.read, JSON.stringify(outcomes)).toBeGreaterThan(20)
    expect(outcomes.refused, JSON.stringify(outcomes)).toBeGreaterThan(20)
  })
})

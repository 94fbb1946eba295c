import { parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  claimsOf,
  MAX_ALGORITHM_LENGTH,
  MAX_CLAIM_LENGTH,
  MAX_HASH_LENGTH,
  MAX_HASHES,
} from '../src/claim.ts'

const presence = (inner: string) => parse(`<presence xmlns='jabber:client'>${inner}</presence>`)
const hash = (algo: string, value: string) => `<hash xmlns='urn:xmpp:hashes:2' algo='${algo}'>${value}</hash>`
const caps = (attrs: string) => `<c xmlns='http://jabber.org/protocol/caps' ${attrs}/>`

describe('claims', () => {
  test('a set comes first, in its order', () => {
    const el = presence(
      `${caps("hash='sha-1' node='urn:n#x' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='")}<c xmlns='urn:xmpp:caps'>${hash('sha-256', 'AAAA')}${hash('a.b', ' BBBB\n')}</c>`,
    )
    expect(claimsOf(el)).toEqual([
      { xep: '0390', algorithm: 'sha-256', hash: 'AAAA', node: 'urn:xmpp:caps#sha-256.AAAA' },
      { xep: '0390', algorithm: 'a.b', hash: 'BBBB', node: 'urn:xmpp:caps#a.b.BBBB' },
      {
        xep: '0115',
        algorithm: 'sha-1',
        hash: 'q07IKJEyjvHSyhy//CH0CxmKi8w=',
        node: 'urn:n#x#q07IKJEyjvHSyhy//CH0CxmKi8w=',
      },
    ])
  })

  test('no `<c/>` is something else than one that claims nothing', () => {
    expect(claimsOf(presence(''))).toBeUndefined()
    expect(claimsOf(presence("<c xmlns='urn:other'/>"))).toBeUndefined()
    expect(claimsOf(presence("<c xmlns='urn:xmpp:caps'/>"))).toEqual([])
  })

  const long = 'x'.repeat(MAX_CLAIM_LENGTH + 1)
  const longHash = 'A'.repeat(MAX_HASH_LENGTH + 4)
  const longName = 'x'.repeat(MAX_ALGORITHM_LENGTH + 1)
  test.each([
    ['XEP-0115 §13: no hash function', caps("node='urn:n' ver='0.9'")],
    ['no node', caps("hash='sha-1' ver='AAAA'")],
    ['no hash', caps("hash='sha-1' node='urn:n'")],
    ['an empty hash', caps("hash='sha-1' node='urn:n' ver=''")],
    ['a long node', caps(`hash='sha-1' node='${long}' ver='AAAA'`)],
    ['a long hash', caps(`hash='sha-1' node='urn:n' ver='${longHash}'`)],
    ['a long hash function', caps(`hash='${longName}' node='urn:n' ver='AAAA'`)],
    ['no base64', `<c xmlns='urn:xmpp:caps'>${hash('sha-256', '!')}</c>`],
    ['nothing', `<c xmlns='urn:xmpp:caps'>${hash('sha-256', '')}</c>`],
    ['no hash function', `<c xmlns='urn:xmpp:caps'>${hash('', 'AAAA')}</c>`],
    ['a long name', `<c xmlns='urn:xmpp:caps'>${hash(longName, 'AAAA')}</c>`],
    ['much base64', `<c xmlns='urn:xmpp:caps'>${hash('sha-256', longHash)}</c>`],
  ])('%s is no claim', (_name, inner) => {
    expect(claimsOf(presence(inner))).toEqual([])
  })

  test('the longest that are read', () => {
    const node = 'x'.repeat(MAX_CLAIM_LENGTH)
    const [name, value] = ['x'.repeat(MAX_ALGORITHM_LENGTH), 'A'.repeat(MAX_HASH_LENGTH)]
    expect(claimsOf(presence(caps(`hash='${name}' node='${node}' ver='${value}'`)))?.length).toBe(1)
    expect(claimsOf(presence(`<c xmlns='urn:xmpp:caps'>${hash(name, value)}</c>`))?.length).toBe(1)
  })

  test('so many hashes are read', () => {
    const many = (count: number) =>
      presence(`<c xmlns='urn:xmpp:caps'>${hash('sha-256', 'AAAA').repeat(count)}</c>`)
    expect(claimsOf(many(MAX_HASHES))?.length).toBe(MAX_HASHES)
    expect(claimsOf(many(MAX_HASHES + 1))?.length).toBe(MAX_HASHES)
  })
})

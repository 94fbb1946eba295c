import { bare, parse, serialize } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  ATM_NAMESPACE,
  type KeyOwner,
  MAX_KEY_ID_BYTES,
  MAX_TRUST_MESSAGE_KEYS,
  TRUST_MESSAGE_NAMESPACE,
  trustMessage,
} from '../src/index.ts'
import vectors from './vectors/trust-messages.json' with { type: 'json' }

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const ids = (count: number) => Array.from({ length: count }, (_, i) => Uint8Array.of(i >> 8, i))
const message = (...keyOwners: readonly KeyOwner[]) => ({ usage: 'u', encryption: 'e', keyOwners })
const owner = (trust: number, distrust = 0): KeyOwner => ({
  jid: bare('bob@example.com'),
  trust: ids(trust),
  distrust: ids(distrust),
})

describe('XEP-0434 §4 and XEP-0450 §4: the examples', () => {
  test.each(vectors.cases)('$name', ({ xml, keyOwners }) => {
    const element = parse(xml)
    const read = trustMessage.decode(element)
    expect(read).toMatchObject({ usage: ATM_NAMESPACE, encryption: 'urn:xmpp:omemo:2' })
    const written = read.keyOwners.map(({ jid, trust, distrust }) => ({
      jid,
      trust: trust.map(base64),
      distrust: distrust.map(base64),
    }))
    expect(written).toEqual(keyOwners)
    expect(trustMessage.encode(read)).toEqual(element)
    expect(parse(serialize(trustMessage.encode(read)))).toEqual(element)
  })
})

describe('§4: what a trust message must have', () => {
  const xml = (inside: string, attrs = "usage='u' encryption='e'", ns = TRUST_MESSAGE_NAMESPACE) =>
    parse(`<trust-message xmlns='${ns}' ${attrs}>${inside}</trust-message>`)
  const bob = (inside: string, attrs = "jid='bob@example.com'") => `<key-owner ${attrs}>${inside}</key-owner>`
  const one = bob('<trust>YQ==</trust>')

  test('white space and what extends it are left out', () => {
    const read = trustMessage.decode(
      xml(` <x xmlns='other'/> ${bob(" <trust> YQ== \n</trust> <trust xmlns='other'>!</trust> ")} `),
    )
    expect(read.keyOwners).toEqual([{ jid: 'bob@example.com', trust: [Uint8Array.of(97)], distrust: [] }])
  })

  test('one owner may be named twice', () => {
    expect(trustMessage.decode(xml(one + one)).keyOwners.length).toBe(2)
  })

  test.each([
    ['another namespace', xml(one, undefined, 'urn:xmpp:tm:0'), 'wrong-element', 'trust-message'],
    ['no usage', xml(one, "encryption='e'"), 'missing', 'trust-message@usage'],
    ['an empty usage', xml(one, "usage='' encryption='e'"), 'invalid', 'trust-message@usage'],
    ['no encryption', xml(one, "usage='u'"), 'missing', 'trust-message@encryption'],
    ['an empty encryption', xml(one, "usage='u' encryption=''"), 'invalid', 'trust-message@encryption'],
    ['no owner', xml(''), 'too-few', 'trust-message/key-owner'],
    ['an owner without keys', xml(one + bob('')), 'too-few', 'trust-message/key-owner[2]'],
    [
      'an owner without address',
      xml(bob('<trust>YQ==</trust>', '')),
      'missing',
      'trust-message/key-owner[1]@jid',
    ],
    [
      'a full JID',
      xml(bob('<trust>YQ==</trust>', "jid='a@b/c'")),
      'invalid',
      'trust-message/key-owner[1]@jid',
    ],
    ['an empty key id', xml(bob('<trust/>')), 'invalid', 'trust-message/key-owner[1]/trust[1]'],
    [
      'no base64',
      xml(bob('<trust>YQ==</trust><distrust>#</distrust>')),
      'invalid',
      'trust-message/key-owner[1]/distrust[1]',
    ],
  ])('refused: %s', (_name, element, code, path) => {
    expect(() => trustMessage.decode(element)).toThrow(
      expect.objectContaining({ name: 'ShapeError', code, path }),
    )
  })
})

describe('limits', () => {
  test('MAX_KEY_ID_BYTES', () => {
    const of = (bytes: number) => message({ ...owner(0), trust: [new Uint8Array(bytes)] })
    const fits = of(MAX_KEY_ID_BYTES)
    expect(trustMessage.decode(trustMessage.encode(fits))).toEqual(fits)
    expect(() => trustMessage.encode(of(MAX_KEY_ID_BYTES + 1))).toThrow(RangeError)
    expect(() => trustMessage.encode(of(0))).toThrow(RangeError)
    const text = base64(new Uint8Array(MAX_KEY_ID_BYTES + 1))
    const element = parse(serialize(trustMessage.encode(fits)).replace(/(<trust>).*?(?=<)/, `$1${text}`))
    expect(() => trustMessage.decode(element)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })

  test.each([
    ['of one owner', (n: number) => message(owner(n))],
    ['trusted and not', (n: number) => message(owner(24, n - 24))],
    ['of several', (n: number) => message(owner(24), owner(0, n - 24))],
    ['each of another', (n: number) => message(...Array.from({ length: n }, () => owner(1)))],
  ])('MAX_TRUST_MESSAGE_KEYS: %s', (_name, of) => {
    const fits = of(MAX_TRUST_MESSAGE_KEYS)
    const element = trustMessage.encode(fits)
    const counts = (owners: readonly KeyOwner[]) => owners.map((it) => [it.trust.length, it.distrust.length])
    expect(counts(trustMessage.decode(element).keyOwners)).toEqual(counts(fits.keyOwners))
    expect(() => trustMessage.encode(of(MAX_TRUST_MESSAGE_KEYS + 1))).toThrow(RangeError)
    const [last] = element.children.slice(-1)
    const more = { ...element, children: [...element.children, last ?? ''] }
    expect(() => trustMessage.decode(more)).toThrow(expect.objectContaining({ code: 'too-many' }))
  })

  test('no owner and an owner without keys are not written', () => {
    expect(() => trustMessage.encode(message())).toThrow(RangeError)
    expect(() => trustMessage.encode(message(owner(0)))).toThrow(RangeError)
  })
})

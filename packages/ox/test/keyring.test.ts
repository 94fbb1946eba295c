/** Keys and what is thought of them, through the façade. */
import { formatKeyUri, type KeyClaim, TrustError } from '@xmpp-e2e/trust'
import { bareJid } from '@xmpp-e2e/xml'
import { beforeAll, describe, expect, test } from 'vitest'
import { type TestClient, type World, world } from './world.ts'

let here: World
let juliet: TestClient
let romeo: TestClient

beforeAll(async () => {
  here = world()
  juliet = await here.client('juliet')
  romeo = await here.client('romeo')
  await here.finish(juliet.ox.certificates(romeo.account, { refresh: true }))
})

const nurse = bareJid.decode('nurse@capulet.example')!
const other = 'ab'.repeat(20)
const claim = (keyId: string, trust = true, encryption = 'urn:xmpp:openpgp:0'): KeyClaim => ({
  kind: 'trust-message',
  encryption,
  keyId,
  trust,
})

describe('keys', () => {
  test('our own are verified, and those of contacts as the policy has it', async () => {
    expect(await juliet.ox.keys()).toMatchObject([
      {
        owner: juliet.account,
        own: true,
        level: 'verified',
        fingerprint: juliet.ox.fingerprint,
        protocol: 'urn:xmpp:openpgp:0',
      },
      { owner: romeo.account, own: false, level: 'blind', fingerprint: romeo.ox.fingerprint },
    ])
    expect(await juliet.ox.keys(juliet.account)).toHaveLength(1)
    expect(await juliet.ox.keys(nurse)).toEqual([])
  })

  test('our own are not met, those that no longer sign neither', async () => {
    const { ox, account, events } = await here.client('benvolio')
    const first = ox.fingerprint
    await here.finish(ox.generate())
    await here.settle()
    await here.finish(ox.certificates(account, { refresh: true }))
    expect(ox.fingerprint).not.toBe(first)
    expect(await ox.keys()).toMatchObject([{ own: true }, { own: true }])
    expect(events.filter(({ kind }) => kind === 'key-met')).toEqual([])
  })

  test('one that is met is told of, once', async () => {
    const met = () =>
      juliet.events.filter((event) => event.kind === 'key-met' && event.key.owner === romeo.account)
    expect(met()).toHaveLength(1)
    await here.finish(juliet.ox.certificates(romeo.account, { refresh: true }))
    expect(met()).toHaveLength(1)
  })
})

describe('decide', () => {
  test('what a person has decided is told, and stays', async () => {
    const key = { owner: romeo.account, fingerprint: romeo.ox.fingerprint ?? '' }
    expect(await juliet.ox.decide(key, 'verified', 'compare')).toMatchObject({
      ...key,
      level: 'verified',
      by: 'compare',
    })
    expect(juliet.events.at(-1)).toMatchObject({
      kind: 'key-changed',
      key: { ...key, level: 'verified' },
      previous: 'blind',
    })
    const before = juliet.events.length
    await juliet.ox.decide(key, 'verified', 'compare')
    expect(juliet.events).toHaveLength(before)
    expect(await juliet.ox.keys(romeo.account)).toMatchObject([{ ...key, level: 'verified' }])
  })

  test('about a key that nobody has seen yet, of version 4 or 6', async () => {
    for (const fingerprint of [other, 'cd'.repeat(32)])
      expect(await juliet.ox.decide({ owner: nurse, fingerprint }, 'distrusted', 'compare')).toMatchObject({
        level: 'distrusted',
      })
    expect(await juliet.ox.keys(nurse)).toHaveLength(2)
  })

  test.each([
    ['our own', () => ({ owner: juliet.account, fingerprint: juliet.ox.fingerprint ?? '' })],
    ['upper case', () => ({ owner: nurse, fingerprint: other.toUpperCase() })],
    ['39 digits', () => ({ owner: nurse, fingerprint: other.slice(1) })],
    [
      'of an owner that is not canonical',
      () => ({ owner: 'Nurse@capulet.example' as typeof nurse, fingerprint: other }),
    ],
  ])('not about what is %s', async (_, key) => {
    await expect(juliet.ox.decide(key(), 'verified', 'compare')).rejects.toThrow(RangeError)
  })
})

describe('scan (XEP-0434 §4)', () => {
  test('what one shows, the other verifies', async () => {
    const found = await romeo.ox.scan(juliet.ox.uri ?? '', juliet.account)
    expect(found).toMatchObject([
      { owner: juliet.account, fingerprint: juliet.ox.fingerprint, level: 'verified', by: 'scan' },
    ])
    expect(juliet.ox.uri).toContain(juliet.ox.fingerprint)
  })

  test('upper case is read, what is no fingerprint is left out, and those to be distrusted are', async () => {
    const claims = [claim('fe'.repeat(20)), claim('34'.repeat(20), false), claim('abcd')]
    const uri = formatKeyUri({ jid: nurse, claims }).replace('fe'.repeat(20), 'FE'.repeat(20))
    const found = await romeo.ox.scan(uri, undefined)
    expect(found.map(({ fingerprint, level }) => [fingerprint.slice(0, 2), level])).toEqual([
      ['fe', 'verified'],
      ['34', 'distrusted'],
    ])
  })

  test.each<[string, () => string, string]>([
    ['of somebody else', () => juliet.ox.uri ?? '', 'uri-wrong-owner'],
    [
      'without keys of OpenPGP',
      () => formatKeyUri({ jid: nurse, claims: [claim(other, true, 'urn:xmpp:omemo:2')] }),
      'uri-without-keys',
    ],
    ['of no kind', () => 'https://example.org', 'uri-malformed'],
  ])('a URI %s is refused, and changes nothing', async (_, uri, code) => {
    const before = await romeo.ox.keys()
    const error = await romeo.ox.scan(uri(), nurse).catch((error: unknown) => error)
    expect(error instanceof TrustError && error.code).toBe(code)
    expect(await romeo.ox.keys()).toEqual(before)
  })

  test('our own key is known already', async () => {
    const error = await juliet.ox.scan(juliet.ox.uri ?? '', undefined).catch((error: unknown) => error)
    expect(error instanceof TrustError && error.code).toBe('uri-without-keys')
  })
})

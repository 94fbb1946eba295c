/** Our key: made, kept, taken over from libotr's files, and written into them. */
import { memoryStore } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { bare } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { fingerprint } from '../src/dsa/dsa.ts'
import { Otr, type OtrOptions } from '../src/index.ts'
import { formatPrivateKeys, parsePrivateKeys } from '../src/libotr/files.ts'
import { encodeDevice } from '../src/record.ts'
import { testClock } from './facade.ts'
import { keyOf } from './sides.ts'
import { seeded } from './support.ts'

const account = bare('romeo@montague.lit')
const connection: OtrOptions['connection'] = {
  jid: undefined,
  send: () => Promise.reject(new Error('offline')),
  request: () => Promise.reject(new Error('offline')),
  subscribe: () => () => {},
  answer: () => () => {},
}

function options(given: Partial<OtrOptions> = {}): OtrOptions {
  return {
    account,
    connection,
    policy,
    clock: testClock(),
    store: memoryStore(),
    random: seeded(1),
    ...given,
  }
}

test('a key is made in slices, with progress, and kept', async () => {
  const given = options()
  const progress: number[] = []
  const otr = await Otr.open(given, { onProgress: (done) => progress.push(done) })
  expect(progress.length).toBeGreaterThan(3)
  expect(progress.every((done) => done >= 0 && done <= 1)).toBe(true)
  expect(otr.fingerprint).toMatch(/^[0-9a-f]{40}$/)
  const again = await Otr.open({ ...given, random: seeded(2) })
  expect([again.fingerprint, again.instanceTag]).toStrictEqual([otr.fingerprint, otr.instanceTag])
})

test('making a key can be stopped, and nothing is kept then', async () => {
  const given = options()
  const reason = new Error('enough')
  const signal = { aborted: true, reason, addEventListener() {}, removeEventListener() {} }
  await expect(Otr.open(given, { signal })).rejects.toBe(reason)
  expect((await given.store.list('')).entries).toStrictEqual([])
})

test('of two that make a key at once both have the first that was stored', async () => {
  const store = memoryStore()
  const both = [1, 2].map((seed) => Otr.open(options({ store, random: seeded(seed) })))
  const [one, other] = await Promise.all(both)
  expect(one?.fingerprint).toBe(other?.fingerprint)
})

test.each([
  ['junk', 'state-malformed'],
  ['{"v":1,"account":"romeo@montague.lit","tag":300}', 'state-malformed'],
  [
    '{"v":1,"account":"romeo@montague.lit","tag":5,"key":{"p":"1","q":"1","g":"1","y":"1","x":"1"}}',
    'state-malformed',
  ],
  [
    '{"v":1,"account":"romeo@montague.lit","tag":300,"key":{"p":"17","q":"b","g":"4","y":"4","x":"1"}}',
    'state-malformed',
  ],
  ['{"v":2}', 'state-version-unknown'],
])('a record %s is an error, and never a new key', async (text, code) => {
  const store = memoryStore()
  await store.commit([], { put: [[`otr/${account}/device`, new TextEncoder().encode(text)]] })
  await expect(Otr.open(options({ store }))).rejects.toMatchObject({ name: 'OtrError', code })
})

test('the key of another account is an error, wherever the record came from', async () => {
  const store = memoryStore()
  const put = (owner: string) =>
    store.commit([], {
      put: [[`otr/${account}/device`, encodeDevice({ tag: 0x100, key: keyOf(1) }, bare(owner))]],
    })
  await put('tybalt@capulet.lit')
  await expect(Otr.open(options({ store }))).rejects.toMatchObject({ code: 'state-malformed' })
  expect(await Otr.import(options({ store }), files)).toMatchObject({ code: 'device-exists' })
  await put(account)
  expect((await Otr.open(options({ store }))).fingerprint).toBe(fingerprint(keyOf(1)))
})

test('a record that says nothing of an account is an error', async () => {
  const store = memoryStore()
  const record = JSON.parse(new TextDecoder().decode(encodeDevice({ tag: 0x100, key: keyOf(1) }, account)))
  const value = new TextEncoder().encode(JSON.stringify({ ...record, account: undefined }))
  await store.commit([], { put: [[`otr/${account}/device`, value]] })
  await expect(Otr.open(options({ store }))).rejects.toMatchObject({ code: 'state-malformed' })
})

const NURSE = 'a'.repeat(40)
const JULIET = 'B'.repeat(40)
const files = {
  privateKeys: formatPrivateKeys([
    { name: 'romeo@montague.lit', protocol: 'prpl-icq', key: keyOf(1) },
    { name: 'mercutio@verona.lit/', protocol: 'prpl-jabber', key: keyOf(2) },
    { name: 'Romeo@montague.lit/Home', protocol: 'prpl-jabber', key: keyOf(3) },
  ]),
  fingerprints: [
    `juliet@capulet.lit\tromeo@montague.lit/Home\tprpl-jabber\t${JULIET}\tverified`,
    `nurse@capulet.lit\tromeo@montague.lit/Home\tprpl-jabber\t${NURSE}\t`,
    `paris@verona.lit\tmercutio@verona.lit/\tprpl-jabber\t${NURSE}\tsmp`,
    `not a jid@@\tromeo@montague.lit/Home\tprpl-jabber\t${NURSE}\tsmp`,
    `romeo@montague.lit\tromeo@montague.lit/Home\tprpl-jabber\t${fingerprint(keyOf(3))}\tsmp`,
  ].join('\n'),
  instanceTags: 'romeo@montague.lit/Home\tprpl-jabber\t00000abc\n',
}

test('key, instance tag and trust are taken over from libotr, once', async () => {
  const given = options()
  const imported = await Otr.import(given, files)
  if (imported.kind !== 'imported') throw new Error(imported.code)
  const { otr } = imported
  expect(otr.fingerprint).toBe(fingerprint(keyOf(3)))
  expect(otr.instanceTag).toBe(0xabc)
  const keys = await otr.keys()
  expect(
    keys.map(({ owner, fingerprint, level, by }) => [owner, fingerprint, level, by]).sort(),
  ).toStrictEqual([
    ['juliet@capulet.lit', JULIET.toLowerCase(), 'verified', 'import'],
    ['nurse@capulet.lit', NURSE, 'blind', undefined],
  ])
  expect(await Otr.import(given, files)).toStrictEqual({ kind: 'refused', code: 'device-exists' })
})

test('files without the account, or that are none, change nothing', async () => {
  const given = options({ account: bare('tybalt@capulet.lit') })
  expect(await Otr.import(given, files)).toStrictEqual({ kind: 'refused', code: 'account-missing' })
  await expect(Otr.import(given, { privateKeys: '(' })).rejects.toMatchObject({ code: 'file-malformed' })
  expect((await given.store.list('')).entries).toStrictEqual([])
})

test('what is written can be taken over again; keys that are distrusted are left out', async () => {
  const imported = await Otr.import(options(), files)
  if (imported.kind !== 'imported') throw new Error(imported.code)
  const { otr } = imported
  await otr.decide({ owner: bare('nurse@capulet.lit'), fingerprint: NURSE }, 'distrusted', 'choice')
  const written = await otr.export()
  expect(parsePrivateKeys(written.privateKeys)).toStrictEqual([
    { name: 'romeo@montague.lit/', protocol: 'prpl-jabber', key: keyOf(3) },
  ])
  expect(written.fingerprints).toBe(
    `juliet@capulet.lit\tromeo@montague.lit/\tprpl-jabber\t${JULIET.toLowerCase()}\tverified\n`,
  )
  const again = await Otr.import(options(), written)
  expect(again.kind === 'imported' && again.otr.instanceTag).toBe(0xabc)
  const profanity = await otr.export({ protocol: 'xmpp', name: account })
  expect(parsePrivateKeys(profanity.privateKeys)[0]?.name).toBe(account)
})

test('options that are none are refused', async () => {
  const wrong = [
    options({ account: bare('a@b').toUpperCase() as typeof account }),
    options({ otr: { versions: [] } }),
    options({ otr: { pad: -1 } }),
  ]
  for (const one of wrong) await expect(Otr.open(one)).rejects.toThrow(/account|versions|pad/)
})

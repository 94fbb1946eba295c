/** Coming from another program: `Omemo.import`. */
import { publish } from '@xmpp-e2e/disco/pep'
import { memoryStore, scoped } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification, type Level, manual } from '@xmpp-e2e/trust'
import {
  bare,
  type Connection,
  child,
  children,
  type Element,
  element,
  elements,
  type Received,
} from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { publishedBundle } from '../src/bundle.ts'
import { type Bytes, sameBytes } from '../src/bytes.ts'
import { nobleCurve, run } from '../src/curve.ts'
import { generateIdentity, importCurve25519, importEd25519 } from '../src/identity-key.ts'
import { type Dropped, type ForeignDevice, Omemo } from '../src/index.ts'
import { decodePreKeys, MAX_PRE_KEY_ID, type PreKeys } from '../src/pre-keys.ts'
import { AXOLOTL, axolotl, type Namespace, OMEMO_2, omemo2, type Protocol } from '../src/protocol.ts'
import { initiateSession } from '../src/session.ts'
import { encryptMessage, withInitiated } from '../src/session-list.ts'
import { bundles, MAX_BUNDLE_PRE_KEYS } from '../src/stanza/bundle.ts'
import { seeded } from './support.ts'
import { chat, type TestDevice, type World, world } from './world.ts'

const romeo = bare('romeo@montague.lit')
const benvolio = bare('benvolio@montague.lit')
const random = seeded('foreign device')
const secret = () => random(32)
const pair = (id: number) => {
  const own = secret()
  return { id, secret: own, publicKey: nobleCurve.publicKey(own) }
}

/** As programs of the libsignal family keep one: ids from zero, public keys with their type in front. */
const libsignal = (): ForeignDevice => ({
  deviceId: 31_415,
  identity: { curve25519: secret() },
  preKeys: Array.from({ length: 30 }, (_, i) => {
    const { publicKey, ...preKey } = pair(i)
    return { ...preKey, publicKey: Uint8Array.of(5, ...publicKey) }
  }),
  signedPreKeys: [
    { ...pair(0), createdAt: new Date(1000) },
    { ...pair(1), createdAt: new Date(2000) },
  ],
})

async function imported(data: ForeignDevice, w: World = world()) {
  const store = memoryStore()
  const client = w.service.connect('juliet')
  const account = w.service.account('juliet')
  const { connection } = client
  const { clock } = w.service
  const policy = blindTrustBeforeVerification
  const options = { account, store, connection, clock, policy, random: (n: number) => w.service.random(n) }
  const result = await w.service.finish(Omemo.import(options, data))
  const preKeys = async (namespace: Namespace): Promise<PreKeys> => {
    const [reading] = await scoped(scoped(store, 'omemo'), account).read([`pre-keys/${namespace}`])
    return decodePreKeys(reading?.value as Bytes)
  }
  if (result.kind !== 'imported') throw new Error(result.code)
  return { ...result, w, options, client, account, preKeys }
}

const whatOf = (dropped: readonly Dropped[]) => dropped.map(({ what, which }) => `${what} ${which}`)

describe('an imported device', () => {
  test('has its id, its fingerprint, its prekeys and its signed prekeys', async () => {
    const data = libsignal()
    const { omemo, dropped, preKeys } = await imported(data)
    const identity = importCurve25519((data.identity as { curve25519: Uint8Array }).curve25519)
    expect(omemo.deviceId).toBe(31_415)
    expect(omemo.fingerprint).toBe(Buffer.from(identity.montgomery).toString('hex'))
    expect(dropped).toEqual([])
    const { signed, previousSigned, oneTime, nextId } = await preKeys(AXOLOTL)
    expect([signed.id, previousSigned?.id]).toEqual([1, 0])
    expect(oneTime.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, i) => i))
    expect(oneTime.every(({ secret }, i) => sameBytes(secret, data.preKeys?.[i]?.secret as Uint8Array))).toBe(
      true,
    )
    expect(nextId).toBe(30)
  })

  test('row 26: begins new ids above all old ones, in both namespaces', async () => {
    const { preKeys } = await imported({ ...libsignal(), nextPreKeyId: 500 })
    expect((await preKeys(AXOLOTL)).nextId).toBe(500)
    const other = await preKeys(OMEMO_2)
    expect([other.nextId, other.signed.id, other.oneTime]).toEqual([500, 2, []])
  })

  test.each([
    ['an Ed25519 seed', (seed: Uint8Array) => ({ ed25519: seed }), importEd25519],
    ['a Curve25519 secret', (bytes: Uint8Array) => ({ curve25519: bytes }), importCurve25519],
  ])('of %s keeps its fingerprint', async (_, wrap, expected) => {
    const bytes = secret()
    const { omemo } = await imported({ deviceId: 1, identity: wrap(bytes) })
    expect(omemo.fingerprint).toBe(Buffer.from(expected(bytes).montgomery).toString('hex'))
  })

  test('is refused where there is a device already, and changes nothing', async () => {
    const { options, omemo, w } = await imported(libsignal())
    const before = await options.store.list('')
    expect(await w.service.finish(Omemo.import(options, libsignal()))).toEqual({
      kind: 'refused',
      code: 'device-exists',
    })
    expect((await options.store.list('')).token).toBe(before.token)
    expect((await Omemo.open(options)).fingerprint).toBe(omemo.fingerprint)
  })

  test('of two imports at once is one', async () => {
    const w = world()
    const { connection } = w.service.connect('juliet')
    const options = {
      account: w.service.account('juliet'),
      store: memoryStore(),
      connection,
      clock: w.service.clock,
      policy: manual,
    }
    const both = await w.service.finish(
      Promise.all([Omemo.import(options, libsignal()), Omemo.import(options, libsignal())]),
    )
    expect(both.map(({ kind }) => kind).sort()).toEqual(['imported', 'refused'])
  })

  test.each([
    ['an identity that is too short', { ...libsignal(), identity: { curve25519: new Uint8Array(31) } }],
    ['a seed that is too long', { ...libsignal(), identity: { ed25519: new Uint8Array(33) } }],
    ['a device id that is none', { ...libsignal(), deviceId: 1.5 }],
  ])('is a mistake with %s', async (_, data) => {
    await expect(imported(data)).rejects.toBeInstanceOf(RangeError)
  })
})

describe('what is dropped is named', () => {
  const cases: readonly [string, (data: ForeignDevice) => ForeignDevice, readonly string[]][] = [
    ['sessions', (data) => ({ ...data, sessions: 7 }), ['sessions 7']],
    [
      'a prekey whose secret is none',
      (data) => with_(data, { id: 77, secret: new Uint8Array(31) }),
      ['pre-key 77'],
    ],
    [
      'a prekey with another public key',
      (data) => with_(data, { ...pair(77), publicKey: pair(1).publicKey }),
      ['pre-key 77'],
    ],
    [
      'a prekey with an id that is none',
      (data) => with_(data, pair(MAX_PRE_KEY_ID + 1)),
      [`pre-key ${MAX_PRE_KEY_ID + 1}`],
    ],
    ['the second of two with one id', (data) => with_(data, pair(5)), ['pre-key 5']],
    [
      'signed prekeys but the newest two',
      (data) => ({
        ...data,
        signedPreKeys: [...(data.signedPreKeys ?? []), { ...pair(2), createdAt: new Date(3000) }],
      }),
      ['signed-pre-key 0'],
    ],
    [
      'prekeys without a signed one',
      (data) => ({ ...data, signedPreKeys: [], preKeys: [pair(3)] }),
      ['pre-key 3'],
    ],
    [
      'trust in what is no key, or in nobody',
      (data) => ({
        ...data,
        trust: [
          { jid: romeo, key: 'abc', level: 'verified' },
          { jid: '@@', key: 'ab'.repeat(32), level: 'verified' },
        ],
      }),
      [`trust ${romeo}`, 'trust @@'],
    ],
  ]
  const with_ = (data: ForeignDevice, preKey: NonNullable<ForeignDevice['preKeys']>[number]) => ({
    ...data,
    preKeys: [...(data.preKeys ?? []), preKey],
  })
  test.each(cases)('%s', async (_, change, expected) => {
    const { dropped } = await imported(change(libsignal()))
    expect(whatOf(dropped)).toEqual(expected)
    expect(dropped.every(({ why }) => why.length > 0)).toBe(true)
  })

  test('a device id that cannot be published, with all that belongs to it', async () => {
    const { omemo, dropped, preKeys } = await imported({ ...libsignal(), deviceId: 0 })
    expect(omemo.deviceId).toBeGreaterThan(0)
    expect(whatOf(dropped)).toEqual(['device-id 0'])
    expect((await preKeys(AXOLOTL)).oneTime).toEqual([])
    expect((await preKeys(AXOLOTL)).nextId).toBe(30)
  })

  test.each([
    [MAX_BUNDLE_PRE_KEYS, 0],
    [MAX_BUNDLE_PRE_KEYS + 1, 1],
  ])('of %i prekeys %i, the oldest', async (count, left) => {
    const preKeys = Array.from({ length: count }, (_, i) => ({ id: i + 1, secret: secret() }))
    const found = await imported({ ...libsignal(), preKeys })
    expect(whatOf(found.dropped)).toEqual(left ? ['pre-key 1'] : [])
    expect((await found.preKeys(AXOLOTL)).oneTime).toHaveLength(MAX_BUNDLE_PRE_KEYS)
  })
})

describe('signed prekeys', () => {
  test('without times are in the order of their ids', async () => {
    const { preKeys } = await imported({ ...libsignal(), signedPreKeys: [pair(9), pair(8)] })
    const { signed, previousSigned } = await preKeys(AXOLOTL)
    expect([signed.id, previousSigned?.id]).toEqual([9, 8])
  })

  test.each([
    ['the id 0', [pair(0)], 1, 0],
    [
      'an id below an older one',
      [
        { ...pair(4), createdAt: new Date(1) },
        { ...pair(3), createdAt: new Date(2) },
      ],
      5,
      3,
    ],
  ])(
    'of which the newest has %s is replaced and kept beside',
    async (_, signedPreKeys, present, previous) => {
      const { preKeys } = await imported({ ...libsignal(), signedPreKeys })
      const { signed, previousSigned } = await preKeys(AXOLOTL)
      expect([signed.id, previousSigned?.id]).toEqual([present, previous])
    },
  )

  test('are of the namespaces that they are said to be of', async () => {
    const [older, newer] = [pair(1), pair(2)]
    const { preKeys } = await imported({
      ...libsignal(),
      preKeys: [
        { ...pair(7), namespaces: [OMEMO_2] },
        { ...pair(8), namespaces: [AXOLOTL, OMEMO_2] },
      ],
      signedPreKeys: [older, { ...newer, namespaces: [OMEMO_2] }],
    })
    const [one, other] = [await preKeys(AXOLOTL), await preKeys(OMEMO_2)]
    expect([other.signed.id, other.oneTime.map(({ id }) => id)]).toEqual([2, [7, 8]])
    // Above all signed ones, of whichever namespace.
    expect([one.signed.id, one.previousSigned?.id, one.oneTime.map(({ id }) => id)]).toEqual([3, 1, [8]])
  })
})

describe('trust', () => {
  test.each<[Level, object]>([
    ['verified', { level: 'verified', by: 'import', decidedAt: new Date(5000) }],
    ['distrusted', { level: 'distrusted', by: 'import', decidedAt: new Date(5000) }],
    ['blind', { level: 'blind', by: 'import', decidedAt: new Date(5000) }],
    ['undecided', { level: 'undecided' }],
  ])('%s', async (level, expected) => {
    const { omemo } = await imported({
      ...libsignal(),
      trust: [{ jid: romeo, key: 'ab'.repeat(32), level, at: new Date(5000) }],
    })
    expect(await omemo.keys(romeo)).toEqual([
      { owner: romeo, fingerprint: 'ab'.repeat(32), protocol: OMEMO_2, own: false, ...expected },
    ])
  })

  test('names keys in all forms, each once, and not the own one', async () => {
    const data = libsignal()
    const own = importCurve25519((data.identity as { curve25519: Uint8Array }).curve25519)
    const { montgomery, edwards } = generateIdentity(random)
    const print = Buffer.from(montgomery).toString('hex')
    const { omemo, dropped, account } = await imported({
      ...data,
      trust: [
        { jid: romeo, key: `05 ${print.toUpperCase()}`, level: 'blind', at: new Date(1) },
        {
          jid: romeo,
          key: { curve25519: Uint8Array.of(5, ...montgomery) },
          level: 'verified',
          at: new Date(2),
        },
        { jid: romeo, key: { ed25519: edwards }, level: 'verified', at: new Date(3) },
        { jid: benvolio, key: { curve25519: montgomery }, level: 'distrusted' },
        { jid: 'juliet@capulet.example', key: { curve25519: own.montgomery }, level: 'verified' },
      ],
    })
    expect(dropped).toEqual([])
    expect((await omemo.keys()).map((key) => [key.owner, key.fingerprint, key.level])).toEqual([
      [benvolio, print, 'distrusted'],
      [romeo, print, 'verified'],
    ])
    expect(await omemo.keys(account)).toEqual([])
  })

  test('that was decided ends blind trust in what is met later', async () => {
    const w = world()
    const { omemo, client } = await imported(
      {
        ...libsignal(),
        trust: [{ jid: w.service.account('romeo'), key: 'ab'.repeat(32), level: 'verified' }],
      },
      w,
    )
    client.presence()
    const other = await w.device('romeo')
    const outcome = await w.service.finish(omemo.encrypt(chat(other.account, 'hello'), [other.account]))
    expect(outcome).toMatchObject({ kind: 'refused', code: 'keys-undecided' })
  })
})

describe('key exchanges that were under way', () => {
  const sender = { identity: generateIdentity(random), deviceId: 99 }

  /** A message from somebody who has taken a certain prekey out of the old program's bundle. */
  function underWay(protocol: Protocol, data: ForeignDevice, to: string, preKeyId: number): Element {
    const identity = importCurve25519((data.identity as { curve25519: Uint8Array }).curve25519)
    const find = (keys: ForeignDevice['preKeys'], id: number) => {
      const found = keys?.find((preKey) => preKey.id === id)
      return { id, publicKey: nobleCurve.publicKey(Uint8Array.from(found?.secret as Uint8Array)) }
    }
    const signed = data.signedPreKeys?.[0]?.id as number
    const bundle = {
      identityKey: identity,
      signedPreKey: find(data.signedPreKeys, signed),
      preKeys: [find(data.preKeys, preKeyId)],
    }
    const session = run(initiateSession(protocol, sender, bundle, 0, random))
    const { message } = run(
      encryptMessage(sender, withInitiated(undefined, session), new Uint8Array(32), { random }),
    )
    const key =
      protocol.namespace === OMEMO_2
        ? element(
            protocol.namespace,
            'keys',
            { jid: to },
            element(protocol.namespace, 'key', { rid: data.deviceId, kex: 'true' }, base64(message.data)),
          )
        : element(protocol.namespace, 'key', { rid: data.deviceId, prekey: 'true' }, base64(message.data))
    const iv =
      protocol.namespace === AXOLOTL && element(protocol.namespace, 'iv', {}, base64(new Uint8Array(12)))
    const header = element(protocol.namespace, 'header', { sid: sender.deviceId }, key, iv)
    return element(
      'jabber:client',
      'message',
      { to, type: 'chat', id: 'old' },
      element(protocol.namespace, 'encrypted', {}, header),
    )
  }

  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

  test.each([
    ['0.3, prekey 0', axolotl, 0],
    ['0.3, the last prekey', axolotl, 29],
    ['omemo:2, prekey 0', omemo2, 0],
  ])('in %s are accepted', async (_, protocol, preKeyId) => {
    const base = libsignal()
    const namespaces = [AXOLOTL, OMEMO_2] as const
    const data = {
      ...base,
      preKeys: base.preKeys?.map((preKey) => ({ ...preKey, namespaces })),
      signedPreKeys: base.signedPreKeys?.map((preKey) => ({ ...preKey, namespaces })),
    }
    const w = world()
    const { omemo, account, preKeys } = await imported(data, w)
    const from = w.service.account('romeo')
    const received: Received = {
      kind: 'message',
      stanza: underWay(protocol, data, account, preKeyId),
      account,
      chat: from,
      sender: { known: 'stream', jid: from },
      channel: 'live',
      own: false,
      checkedBy: 'host',
    }
    const namespace = protocol.namespace
    expect((await preKeys(namespace)).oneTime.some(({ id }) => id === preKeyId)).toBe(true)
    expect(await w.service.finish(omemo.decrypt(received))).toMatchObject({ kind: 'silent', why: 'control' })
    expect((await preKeys(namespace)).oneTime.some(({ id }) => id === preKeyId)).toBe(false)
    expect(await omemo.keys(from)).toHaveLength(1)
  })
})

describe('on a server', () => {
  const published = async (
    device: TestDevice,
    of: TestDevice['account'],
    id: number,
    namespace: Namespace,
  ) => {
    const { node, item } = bundles[namespace].location(id)
    const asked = element('http://jabber.org/protocol/pubsub', 'items', { node })
    const iq = element('jabber:client', 'iq', { type: 'get', to: of }, element(asked.ns, 'pubsub', {}, asked))
    const reply = await device.client.connection.request(iq)
    const items = children(child(child(reply, 'pubsub', asked.ns) as Element, 'items') as Element, 'item')
    const found = items.find(({ attrs }) => attrs.id === item) as Element
    return bundles[namespace].decode(elements(found)[0] as Element)
  }

  /** What the other program has left on the server. */
  async function publishedByOld(connection: Connection, protocol: Protocol, data: ForeignDevice) {
    const { namespace } = protocol
    const { curve25519 } = data.identity as { curve25519: Uint8Array }
    const asPreKey = ({ id, secret }: NonNullable<ForeignDevice['preKeys']>[number]) => {
      const bytes = Uint8Array.from(secret)
      return { id, secret: bytes, publicKey: nobleCurve.publicKey(bytes) }
    }
    const oneTime = (data.preKeys ?? []).slice(1).map(asPreKey)
    const signed = asPreKey((data.signedPreKeys ?? [])[1] as NonNullable<ForeignDevice['preKeys']>[number])
    const preKeys = { signed, previousSigned: undefined, oneTime, nextId: 30 }
    const { node, item } = bundles[namespace].location(data.deviceId)
    await publish(connection, node, {
      id: item,
      payload: bundles[namespace].encode(publishedBundle(protocol, importCurve25519(curve25519), preKeys)),
    })
  }

  test('row 23: the device goes on as the same one, with fresh sessions, and never publishes the id 0', async () => {
    const w = world()
    w.service.subscribeBoth('juliet', 'romeo')
    const data = libsignal()
    const old = w.service.connect('juliet', { resource: 'old' })
    for (const protocol of [axolotl, omemo2]) await publishedByOld(old.connection, protocol, data)
    old.close()
    const { omemo, client, account } = await imported(data, w)
    const events: string[] = []
    omemo.on(({ kind }) => events.push(kind))
    client.presence()
    await w.service.finish(omemo.start())
    await w.service.settle()
    const other = await w.device('romeo')
    for (const namespace of [AXOLOTL, OMEMO_2] as const) {
      const { preKeys, signedPreKey } = await published(other, account, 31_415, namespace)
      expect(preKeys.every(({ id }) => id > 0)).toBe(true)
      expect(preKeys.length).toBeGreaterThanOrEqual(99)
      expect(signedPreKey.id).toBeGreaterThan(0)
    }
    expect(events).not.toContain('rolled-back')
    expect(events).not.toContain('cloned')
    const outcome = await w.service.finish(other.omemo.encrypt(chat(account, 'hello'), [account]))
    expect(outcome).toMatchObject({ kind: 'encrypted', reached: [{ device: { jid: account, id: 31_415 } }] })
  })

  test('row 23: data that is imported a second time is a restored backup, and treated as one', async () => {
    const w = world()
    const data = libsignal()
    const first = await imported(data, w)
    first.client.presence()
    await w.service.finish(first.omemo.start())
    await w.service.settle()
    await first.omemo.close()
    // Somebody imports the same data again elsewhere: what is published is ahead of it.
    const second = await imported(data, w)
    const events: string[] = []
    second.omemo.on(({ kind }) => events.push(kind))
    second.client.presence()
    await w.service.finish(second.omemo.start())
    expect(events).toContain('rolled-back')
  })
})

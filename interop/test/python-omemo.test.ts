/**
 * python-omemo against itself, through the driver: what holds here is the ground that the tests of this
 * project's own package stand on.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JsonLines, PeerError } from '../src/json-lines.ts'
import { AXOLOTL, type Namespace, OMEMO_2, type PythonAccount, PythonOmemo } from '../src/python-omemo.ts'

const NAMESPACES: readonly Namespace[] = [OMEMO_2, AXOLOTL]

let python: PythonOmemo
let jids = 0

beforeAll(async () => {
  python = await PythonOmemo.start()
})
afterAll(() => python.stop())

const jid = (name: string): string => {
  jids += 1
  return `${name}-${jids}@example.org`
}

const account = (name: string, identitySign?: 0 | 1): Promise<PythonAccount> =>
  python.account({ jid: jid(name), preKeys: 5, ...(identitySign !== undefined && { identitySign }) })

const pair = (): Promise<[PythonAccount, PythonAccount]> => Promise.all([account('alice'), account('bob')])

/** The body, or the class of the exception. */
async function read(
  recipient: PythonAccount,
  sender: PythonAccount,
  xml: string,
): Promise<string | undefined> {
  try {
    const found = await recipient.decrypt(sender.jid, xml)
    return found.kind === 'message' ? found.body : found.kind
  } catch (error) {
    if (error instanceof PeerError) return error.code
    throw error
  }
}

/** A first message and the empty message that answers it. */
async function converse(alice: PythonAccount, bob: PythonAccount, namespace: Namespace): Promise<void> {
  expect(await read(bob, alice, await alice.send(bob.jid, namespace, 'hello'))).toBe('hello')
  const [answer, ...more] = await bob.messages()
  expect(more).toEqual([])
  expect(answer).toMatchObject({ to: alice.jid, namespace })
  expect(await read(alice, bob, answer?.xml ?? '')).toBe('empty')
}

describe('the process', () => {
  test('names the versions of what it drives', async () => {
    const versions = await python.versions()
    expect(Object.keys(versions)).toEqual(expect.arrayContaining(['omemo', 'twomemo', 'oldmemo']))
    expect(versions.omemo).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test('answers a failure with its class and goes on', async () => {
    const [alice] = await pair()
    await expect(alice.decrypt('nobody@example.org', '<nonsense/>')).rejects.toMatchObject({
      code: 'DriverError',
    })
    await expect(alice.decrypt('nobody@example.org', '<not xml')).rejects.toMatchObject({
      code: 'ParseError',
    })
    await expect(
      alice.decrypt('nobody@example.org', `<encrypted xmlns="${OMEMO_2}"><extra/></encrypted>`),
    ).rejects.toMatchObject({ code: 'XMLSchemaChildrenValidationError' })
    await expect(alice.send('nobody@example.org', OMEMO_2, 'x')).rejects.toMatchObject({
      code: 'NoEligibleDevices',
    })
    await alice.close()
    await expect(alice.messages()).rejects.toMatchObject({ code: 'DriverError' })
  })

  test('rejects what is asked after its end, and says how a program ended', async () => {
    const other = await PythonOmemo.start()
    const asked = other.versions()
    await other.stop()
    expect(await asked).toHaveProperty('omemo')
    await expect(other.versions()).rejects.toMatchObject({ code: 'exited' })
    await expect(JsonLines.start('/nonexistent/program', [])).rejects.toMatchObject({ code: 'exited' })
    await expect(
      JsonLines.start(process.execPath, ['-e', 'console.log("hi");process.stdin.resume()']),
    ).rejects.toMatchObject({ code: 'driver' })
  })

  test('puts a list and bundles into the service all at once or not at all', async () => {
    const [alice, bob] = await pair()
    const moved = jid('moved')
    const { [OMEMO_2]: published } = await bob.bundle()
    const bundles = [{ deviceId: bob.deviceId, xml: published.bundle }]
    await expect(python.put({ jid: moved, devices: ['<devices/>'], bundles })).rejects.toBeInstanceOf(
      PeerError,
    )
    expect((await python.published(moved, OMEMO_2)).bundles.size).toBe(0)
    await python.put({ jid: moved, devices: [published.devices], bundles })
    expect((await alice.devices(moved)).map(({ deviceId }) => deviceId)).toEqual([bob.deviceId])
    await python.put({ jid: moved, devices: [`<devices xmlns="${OMEMO_2}"/>`] })
    expect((await alice.devices(moved))[0]?.active).toEqual({ [OMEMO_2]: false })
  })

  test('keeps the prekeys that were asked for, and replaces those that were used', async () => {
    const [alice, bob] = await pair()
    const ids = async () => {
      const { [OMEMO_2]: two, [AXOLOTL]: old } = await bob.bundle()
      return [two.bundle.match(/<pk /g)?.length, old.bundle.match(/<preKeyPublic /g)?.length]
    }
    expect(await ids()).toEqual([5, 5])
    await converse(alice, bob, OMEMO_2)
    await converse(alice, bob, AXOLOTL)
    expect(await ids()).toEqual([5, 5])
  })
})

describe('identities', () => {
  test('have the sign bit, the device id and the key that were asked for', async () => {
    for (const sign of [0, 1] as const) {
      for (let i = 0; i < 8; i += 1) expect((await account('peer', sign)).identityKey[31]! >> 7).toBe(sign)
    }
    const seed = Uint8Array.from({ length: 32 }, (_, i) => i)
    const first = await python.account({ jid: jid('seed'), identity: { seed }, deviceId: 7, preKeys: 1 })
    const again = await python.account({ jid: jid('seed'), identity: { seed }, preKeys: 1 })
    expect(first.deviceId).toBe(7)
    // RFC 8032: the public key of the seed 00 01 02 … 1f.
    expect(Buffer.from(first.identityKey).toString('hex')).toMatch(/^03a107bff3ce10be1d70dd18e74bc099/)
    expect(again.identityKey).toEqual(first.identityKey)
    const scalar = Uint8Array.from(seed, (byte, i) =>
      i === 0 ? byte & 248 : i === 31 ? (byte & 127) | 64 : byte,
    )
    const imported = await python.account({ jid: jid('scalar'), identity: { private: scalar }, preKeys: 1 })
    expect(imported.identityKey).not.toEqual(first.identityKey)
  })
})

describe.each(NAMESPACES)('%s', (namespace) => {
  test.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const)('opens a session, sign bits %i and %i, and completes it', async (initiator, responder) => {
    const [alice, bob] = await Promise.all([account('alice', initiator), account('bob', responder)])
    await converse(alice, bob, namespace)
    expect(await alice.session(bob.jid, bob.deviceId, namespace)).toMatchObject({
      exists: true,
      initiation: 'active',
      confirmed: true,
    })
    expect(await bob.session(alice.jid, alice.deviceId, namespace)).toMatchObject({ initiation: 'passive' })
    const found = await bob.decrypt(alice.jid, await alice.send(bob.jid, namespace, 'again'))
    expect(found).toMatchObject({ kind: 'message', deviceId: alice.deviceId, identityKey: alice.identityKey })
  })

  test('delivers in order, in both directions', async () => {
    const [alice, bob] = await pair()
    await converse(alice, bob, namespace)
    for (let i = 0; i < 10; i += 1) {
      expect(await read(bob, alice, await alice.send(bob.jid, namespace, `to bob ${i}`))).toBe(`to bob ${i}`)
      expect(await read(alice, bob, await bob.send(alice.jid, namespace, `to alice ${i} ✓ <&>`))).toBe(
        `to alice ${i} ✓ <&>`,
      )
    }
  })

  test('delivers out of order, before and across ratchet steps', async () => {
    const [alice, bob] = await pair()
    const first = await Promise.all(['1', '2', '3'].map((text) => alice.send(bob.jid, namespace, text)))
    expect(await read(bob, alice, first[2]!)).toBe('3')
    expect(await read(bob, alice, first[0]!)).toBe('1')
    const [answer] = await bob.messages()
    expect(await read(alice, bob, answer?.xml ?? '')).toBe('empty')
    const second = await Promise.all(['4', '5'].map((text) => alice.send(bob.jid, namespace, text)))
    expect(await read(bob, alice, second[1]!)).toBe('5')
    expect(await read(bob, alice, first[1]!)).toBe('2')
    expect(await read(bob, alice, second[0]!)).toBe('4')
  })

  test('refuses a replay', async () => {
    const [alice, bob] = await pair()
    await converse(alice, bob, namespace)
    const xml = await alice.send(bob.jid, namespace, 'once')
    expect(await read(bob, alice, xml)).toBe('once')
    expect(await read(bob, alice, xml)).toBe('DecryptionFailed')
    expect(await read(bob, alice, await alice.send(bob.jid, namespace, 'next'))).toBe('next')
  })

  test('refuses a message for another device', async () => {
    const [alice, bob] = await pair()
    const carol = await account('carol')
    const xml = await alice.send(bob.jid, namespace, 'not for carol')
    expect(await read(carol, alice, xml)).toBe('MessageNotForUs')
  })

  test('sends empty messages when told to', async () => {
    const [alice, bob] = await pair()
    await expect(alice.empty(bob.jid, bob.deviceId, namespace)).rejects.toMatchObject({ code: 'NoSession' })
    await converse(alice, bob, namespace)
    const xml = await alice.empty(bob.jid, bob.deviceId, namespace)
    expect(xml).not.toContain('<payload')
    expect(await read(bob, alice, xml)).toBe('empty')
    expect(await bob.messages()).toEqual([])
    expect(await read(bob, alice, await alice.send(bob.jid, namespace, 'next'))).toBe('next')
  })

  test('replaces a session, announces it, and goes on with the new one', async () => {
    const [alice, bob] = await pair()
    await converse(alice, bob, namespace)
    expect(await alice.replaceSession(bob.jid, bob.deviceId)).toEqual({})
    const [announcement] = await alice.messages()
    expect(await read(bob, alice, announcement?.xml ?? '')).toBe('empty')
    const [answer] = await bob.messages()
    expect(await read(alice, bob, answer?.xml ?? '')).toBe('empty')
    expect(await read(bob, alice, await alice.send(bob.jid, namespace, 'renewed'))).toBe('renewed')
    expect(await read(alice, bob, await bob.send(alice.jid, namespace, 'yes'))).toBe('yes')
  })

  test('goes on from a dump, and a dump is the state of its moment', async () => {
    const [alice, bob] = await pair()
    await converse(alice, bob, namespace)
    const late = await alice.send(bob.jid, namespace, 'late')
    expect(await read(bob, alice, await alice.send(bob.jid, namespace, 'before'))).toBe('before')
    const state = await bob.dump()
    const xml = await alice.send(bob.jid, namespace, 'after')
    expect(await read(bob, alice, xml)).toBe('after')
    await bob.close()
    const restored = await python.restore(state)
    expect([restored.jid, restored.deviceId]).toEqual([bob.jid, bob.deviceId])
    expect(restored.identityKey).toEqual(bob.identityKey)
    expect(await read(restored, alice, xml)).toBe('after')
    expect(await read(restored, alice, late)).toBe('late')
    expect(await read(alice, restored, await restored.send(alice.jid, namespace, 'back'))).toBe('back')
  })

  test('deadlocks on crossed first messages, as a peer that keeps one session does', async () => {
    const [alice, bob] = await pair()
    const [toBob, toAlice] = await Promise.all([
      alice.send(bob.jid, namespace, 'a'),
      bob.send(alice.jid, namespace, 'b'),
    ])
    expect(await read(bob, alice, toBob)).toBe('a')
    expect(await read(alice, bob, toAlice)).toBe('b')
    expect(await read(bob, alice, await alice.send(bob.jid, namespace, 'c'))).toBe('DecryptionFailed')
    expect(await read(alice, bob, await bob.send(alice.jid, namespace, 'd'))).toBe('DecryptionFailed')
  })

  test('opens a session on a new signed prekey, and on the one before', async () => {
    const [alice, bob] = await pair()
    const early = await account('early')
    const xml = await early.send(bob.jid, namespace, 'on the old one')
    const before = (await bob.bundle())[namespace].bundle
    await bob.rotate(namespace)
    expect((await bob.bundle())[namespace].bundle).not.toBe(before)
    expect(await read(bob, early, xml)).toBe('on the old one')
    await bob.messages()
    await converse(alice, bob, namespace)
  })

  test('refuses to encrypt for an undecided key, and to read from a distrusted one', async () => {
    const wary = await python.account({ jid: jid('wary'), preKeys: 5, trust: 'undecided' })
    const bob = await account('bob')
    await expect(wary.send(bob.jid, namespace, 'x')).rejects.toMatchObject({ code: 'StillUndecided' })
    await wary.trust(bob.jid, bob.deviceId, 'trusted')
    expect(await read(bob, wary, await wary.send(bob.jid, namespace, 'x'))).toBe('x')
    await bob.trust(wary.jid, wary.deviceId, 'distrusted')
    expect(await read(bob, wary, await wary.send(bob.jid, namespace, 'y'))).toBe('SenderDistrusted')
  })

  test('reaches every device of both accounts', async () => {
    const alice = await account('alice')
    const desk = await python.account({ jid: alice.jid, preKeys: 5 })
    const bob = await account('bob')
    const xml = await alice.send(bob.jid, namespace, 'everywhere')
    expect(await read(bob, alice, xml)).toBe('everywhere')
    expect(await read(desk, alice, xml)).toBe('everywhere')
  })

  test('keeps 500 skipped messages', async () => {
    const [alice, bob] = await pair()
    await converse(alice, bob, namespace)
    const sent = await Promise.all(
      Array.from({ length: 501 }, (_, i) => alice.send(bob.jid, namespace, `${i}`)),
    )
    expect(await read(bob, alice, sent[500]!)).toBe('500')
    for (const i of [0, 250, 499]) expect(await read(bob, alice, sent[i]!)).toBe(`${i}`)
  })
})

describe('what differs', () => {
  test('bytes are encrypted as they are; omemo:2 wraps a text in an envelope of XEP-0420', async () => {
    const [alice, bob] = await pair()
    const bytes = Uint8Array.of(0, 255, 128, 10)
    for (const namespace of NAMESPACES) {
      const { messages } = await alice.encrypt({ to: [bob.jid], namespace, bytes })
      expect(await bob.decrypt(alice.jid, messages[0]!.xml)).toMatchObject({ bytes, body: undefined })
    }
    const found = await bob.decrypt(alice.jid, await alice.send(bob.jid, OMEMO_2, 'text'))
    const envelope = found.kind === 'message' ? Buffer.from(found.bytes).toString() : ''
    expect(envelope).toContain('<envelope xmlns="urn:xmpp:sce:1">')
    expect(envelope).toContain(`<from jid="${alice.jid}" />`)
    expect(envelope).toContain(`<to jid="${bob.jid}" />`)
  })

  test('each device gets the first namespace that it has', async () => {
    const alice = await account('alice')
    const old = await python.account({ jid: jid('old'), preKeys: 5, namespaces: [AXOLOTL] })
    const both = await account('both')
    const { messages, errors } = await alice.encrypt({
      to: [old.jid, both.jid],
      namespace: NAMESPACES,
      text: 'mixed',
    })
    expect(errors).toEqual([])
    const by = new Map(messages.map(({ namespace, xml }) => [namespace, xml]))
    expect(await read(old, alice, by.get(AXOLOTL) ?? '')).toBe('mixed')
    expect(await read(both, alice, by.get(OMEMO_2) ?? '')).toBe('mixed')
    expect(await read(both, alice, by.get(AXOLOTL) ?? '')).toBe('MessageNotForUs')
  })

  test('axolotl transports keys (XEP-0384 0.3.0, 4.6)', async () => {
    const [alice, bob] = await pair()
    const { xml, key } = await alice.keyTransport(bob.jid)
    expect(key).toHaveLength(16)
    expect(xml).not.toContain('<payload')
    expect(await bob.decrypt(alice.jid, xml)).toMatchObject({ kind: 'empty', key })
  })
})

/** Ways in which what is said to a contact could have gone to a key that it was not meant for, or out in the clear. */
import { memoryStore } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { bare, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import type { AccountEvent } from '../src/account-event.ts'
import { createConversations, type Work } from '../src/conversations.ts'
import { fingerprint } from '../src/dsa/dsa.ts'
import { excessOf, MAX_PEERS } from '../src/limits.ts'
import { type Conversation, createConversation, type Instance } from '../src/protocol/conversation.ts'
import { createPolicy } from '../src/protocol/policy.ts'
import type { Session } from '../src/protocol/session.ts'
import { encodeDevice } from '../src/record.ts'
import { chat, network, received, testClock } from './facade.ts'
import { group, keyOf } from './sides.ts'
import { seeded } from './support.ts'

const ALICE = bare('alice@a.example')
const BOB = bare('bob@b.example')
const PHONE = 'bob@b.example/phone'

async function withBobAnd(stranger: string) {
  const net = network()
  const alice = await net.client('alice@a.example/desk', { seed: 1 })
  const bob = await net.client(PHONE, { seed: 2 })
  await alice.otr.query(BOB)
  await net.settle()
  const other = await net.client(stranger, { seed: 3 })
  await other.otr.query(alice.jid)
  await net.settle()
  const recipient = async () => {
    const sent = await alice.otr.encrypt(chat(BOB, 'a'), [BOB])
    return sent.kind === 'encrypted' ? sent.stanzas[0].attrs.to : sent.code
  }
  return { net, alice, bob, other, recipient }
}

test('a session with another key does not take the place of one that is ended', async () => {
  const { net, alice, other, recipient } = await withBobAnd('bob@b.example/other')
  expect(await recipient()).toBe(PHONE)
  await alice.otr.end(PHONE)
  await other.otr.send(chat(alice.jid, 'hello'), [ALICE])
  await net.settle()
  expect(alice.decrypted.at(-1)).toMatchObject({ kind: 'message', warnings: ['key-changed'] })
  expect(await recipient()).toBe('not-encrypted')
  expect(await alice.otr.encrypt(chat(other.jid, 'a'), [BOB])).toMatchObject({ code: 'key-changed' })
  await alice.otr.select(other.jid, other.otr.instanceTag, other.otr.fingerprint)
  expect(await recipient()).toBe(other.jid)
})

test('another client with the key that was meant does take the place of one that is ended', async () => {
  const { net, alice, bob, recipient } = await withBobAnd('bob@b.example/other')
  const desk = await net.client('bob@b.example/desk', { store: bob.store })
  await desk.otr.query(alice.jid)
  await net.settle()
  await alice.otr.end(PHONE)
  await desk.otr.send(chat(alice.jid, 'hello'), [ALICE])
  await net.settle()
  expect(alice.decrypted.at(-1)).toMatchObject({ kind: 'message', warnings: [] })
  expect(await recipient()).toBe(desk.jid)
})

test('when all sessions of a contact are ended, any key may be the next', async () => {
  const { net, alice, other, recipient } = await withBobAnd('bob@b.example/other')
  await alice.otr.end(BOB)
  await other.otr.query(alice.jid)
  await net.settle()
  expect(await recipient()).toBe(other.jid)
})

test('what is selected is the key that the user has seen, not one that came since', async () => {
  const { net, alice, other, recipient } = await withBobAnd('bob@b.example/other')
  const [seen] = alice.otr.sessions(BOB).filter(({ jid }) => jid === other.jid)
  if (seen?.session.state !== 'encrypted') throw new Error('no session')
  const { fingerprint } = seen.session
  // Whoever is on the way takes the address, and the tag.
  net.drop(other.jid)
  const store = memoryStore()
  const device = encodeDevice({ tag: other.otr.instanceTag, key: keyOf(4) }, BOB)
  await store.commit([], { put: [['otr/bob@b.example/device', device]] })
  const mallory = await net.client(other.jid, { store, seed: 4 })
  net.clock.pass(5000)
  await mallory.otr.query(alice.jid)
  await net.settle()
  const [now] = alice.otr.sessions(BOB).filter(({ jid }) => jid === other.jid)
  expect(now).toMatchObject({ instance: seen.instance, session: { fingerprint: mallory.otr.fingerprint } })
  const refused = { kind: 'refused', code: 'key-changed', ask: [] }
  expect(await alice.otr.select(other.jid, seen.instance, fingerprint)).toStrictEqual(refused)
  expect(await recipient()).toBe(PHONE)
  await alice.otr.select(other.jid, seen.instance, mallory.otr.fingerprint)
  expect(await recipient()).toBe(other.jid)
})

test('a session with the bare JID keeps nobody from writing to the client that was selected', async () => {
  const { recipient } = await withBobAnd(BOB)
  expect(await recipient()).toBe(PHONE)
})

test('a symmetric key is not shared with a key that the policy does not send to', async () => {
  const { alice, bob, other } = await withBobAnd('bob@b.example/other')
  expect(await alice.otr.shareKey(other.jid, 1)).toMatchObject({ code: 'key-changed' })
  expect(await alice.otr.shareKey(BOB, 1)).toMatchObject({ kind: 'shared' })
  await alice.otr.decide({ owner: BOB, fingerprint: bob.otr.fingerprint }, 'distrusted', 'compare')
  expect(await alice.otr.shareKey(BOB, 1)).toMatchObject({ kind: 'refused', code: 'key-distrusted' })
})

test('what another key begins is told as such, and not at all of a key that is not shown', async () => {
  const { net, alice, bob, other } = await withBobAnd('bob@b.example/other')
  const begun = () => alice.events.filter(({ kind }) => kind === 'smp-asked' || kind === 'symmetric-key')
  const origin = (one: typeof bob, keyChanged: boolean) => {
    const { fingerprint, instanceTag: instance } = one.otr
    return { jid: one.jid, fingerprint, instance, keyChanged }
  }
  await bob.otr.shareKey(ALICE, 1)
  await other.otr.shareKey(ALICE, 1)
  await other.otr.compare(ALICE, 'x')
  await net.settle()
  expect(begun()).toMatchObject([
    { kind: 'symmetric-key', ...origin(bob, false) },
    { kind: 'symmetric-key', ...origin(other, true) },
    { kind: 'smp-asked', ...origin(other, true) },
  ])
  await alice.otr.abort(other.jid)
  expect(alice.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'aborted', ...origin(other, true) })
  await net.settle()
  const { fingerprint } = other.otr
  await alice.otr.decide({ owner: BOB, fingerprint }, 'distrusted', 'compare')
  const { length } = alice.events
  await other.otr.shareKey(ALICE, 1)
  await other.otr.compare(ALICE, 'x')
  await other.otr.abort(ALICE)
  await net.settle()
  expect(alice.events.slice(length)).toStrictEqual([])
  // Who asks themselves is told what came of it.
  await alice.otr.compare(other.jid, 'x')
  await net.settle()
  await other.otr.answer(ALICE, 'y')
  await net.settle()
  expect(alice.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'mismatch', ...origin(other, true) })
})

test('plain text during a session is unexpected, also from elsewhere, late, or as a headline', async () => {
  const { alice } = await withBobAnd('bob@b.example/other')
  const late = element('urn:xmpp:delay', 'delay', { from: 'a.example', stamp: '2026-01-01T00:00:00Z' })
  const decrypt = (from: string, type: string, marks: readonly ReturnType<typeof element>[]) => {
    const body = element('jabber:client', 'body', {}, 'hello')
    const stanza = element('jabber:client', 'message', { from, to: alice.jid, type }, [body, ...marks])
    return alice.otr.decrypt(received(stanza, ALICE))
  }
  for (const from of [PHONE, 'bob@b.example/new', BOB])
    for (const type of ['chat', 'headline'])
      for (const marks of [[], [late]])
        expect(await decrypt(from, type, marks)).toMatchObject({ kind: 'plain', unexpected: true })
  expect(await decrypt('carol@c.example/x', 'chat', [])).toMatchObject({ kind: 'plain', unexpected: false })
  await alice.otr.end(BOB)
  expect(await decrypt(PHONE, 'chat', [late])).toMatchObject({ kind: 'plain', unexpected: false })
})

describe('more addresses with a session than are kept', () => {
  /** Sessions by the thousand, without the key exchanges. */
  function conversationsOf() {
    const events: AccountEvent[] = []
    const key = keyOf(0)
    const conversations = createConversations({
      jid: ALICE,
      store: memoryStore(),
      connection: {
        jid: 'alice@a.example/desk',
        send: () => Promise.resolve(),
        request: () => Promise.reject(new Error('none')),
        subscribe: () => () => {},
        answer: () => () => {},
      },
      policy: blindTrustBeforeVerification,
      clock: testClock(),
      random: seeded(1),
      group,
      device: { key, tag: 0x100 },
      fingerprint: fingerprint(key),
      policyFor: () => createPolicy(),
      closing: { aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} },
      emit: (event) => events.push(event),
    })
    const opened = (digit: string): Work => {
      const to = { state: 'finished', fingerprint: digit.repeat(40) } as const
      return (conversation) => ({
        conversation: {
          ...conversation,
          instances: [{ tag: 0x200, ake: { state: 'none' }, retry: undefined, session: to }],
          active: 0x200,
          expected: to.fingerprint,
        },
        send: [],
        events: [
          {
            type: 'state',
            instance: 0x200,
            from: { state: 'plaintext' },
            to: { ...to, state: 'encrypted', version: 3, ssid: '', boldHalf: 'first' },
            keyChanged: false,
            downgrade: false,
          },
        ],
      })
    }
    const open = (address: string, digit = 'a') =>
      conversations.inTurn(bare(address), async () => {
        await conversations.perform(address, opened(digit))
      })
    const openMany = async (from: number, to: number) => {
      for (let i = from; i < to; i++) await open(`mallory${i}@m.example/r`)
    }
    return { conversations, events, open, openMany }
  }

  test('nobody that the application talks to is forgotten, nor which key is meant', async () => {
    const { conversations, open, openMany } = conversationsOf()
    await open(PHONE, 'b')
    conversations.engage(BOB)
    await openMany(0, MAX_PEERS + 1)
    expect(conversations.infos()).toHaveLength(MAX_PEERS + 1)
    expect(conversations.selected(BOB)).toBe(PHONE)
    await open('bob@b.example/other', 'c')
    expect(conversations.selected(BOB)).toBe(PHONE)
    expect(conversations.expected(BOB)).toBe('b'.repeat(40))
  })

  test('nor do selections go, of however many contacts; but there are so many live sessions', () => {
    const at = (i: number) => `bob${i}@b.example/r`
    const session = { state: 'encrypted', fingerprint: 'b' } as Session
    const instance: Instance = { tag: 0x200, ake: { state: 'none' }, retry: undefined, session }
    const conversation: Conversation = { ...createConversation(0x100), instances: [instance] }
    const peers = (count: number) =>
      new Map(
        Array.from({ length: count }, (_, i) => [
          at(i),
          { contact: bare(at(i)), conversation, due: undefined },
        ]),
      )
    expect(excessOf(peers(MAX_PEERS), () => true)).toStrictEqual({ forgotten: [], lost: [] })
    const { forgotten, lost } = excessOf(peers(MAX_PEERS + 2), () => true)
    expect(forgotten).toStrictEqual([])
    expect(lost.map(([address]) => address)).toStrictEqual([at(0), at(1)])
    expect(excessOf(peers(MAX_PEERS + 1), (address) => address === at(0))).toStrictEqual({
      forgotten: [],
      lost: [],
    })
    expect(excessOf(peers(MAX_PEERS + 1), () => false)).toStrictEqual({ forgotten: [at(0)], lost: [] })
  })

  test('of all others, the one that was silent for longest', async () => {
    const { conversations, open, openMany } = conversationsOf()
    await open(PHONE, 'b')
    await openMany(0, MAX_PEERS - 1)
    expect(conversations.selected(BOB)).toBe(PHONE)
    await openMany(MAX_PEERS, MAX_PEERS + 1)
    expect(conversations.infos()).toHaveLength(MAX_PEERS)
    expect(conversations.selected(BOB)).toBeUndefined()
    expect(conversations.expected(BOB)).toBeUndefined()
  })
})

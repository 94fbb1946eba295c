/** Receiving what peers, servers and thieves can send: rows of the list of known attacks. */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { StoreError } from '@xmpp-e2e/store'
import { manual } from '@xmpp-e2e/trust'
import { type BareJid, bare, type Element, element, receive } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { decodeContact, encodeContact, newContact, withIdentity } from '../src/device/contact.ts'
import { decide } from '../src/keyring.ts'
import { MAX_SENDERS } from '../src/message/candidate.ts'
import { HEAL_MS } from '../src/message/healing.ts'
import { MAX_LISTS_PER_DEVICE } from '../src/message/opening.ts'
import { decrypt } from '../src/message/receiving.ts'
import { payloadCiphers } from '../src/payload.ts'
import { decodePreKeys } from '../src/pre-keys.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { putList } from '../src/session-records.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { message, seen, unreadable, waiting } from './outcomes.ts'
import { BOTH, by, contents, giveList, givePreKeys, live, Peer, put, stored } from './peer.ts'
import { tampered } from './tampered.ts'

const romeo = bare('romeo@montague.lit')
const tybalt = bare('tybalt@capulet.lit')
const room = bare('room@conference.lit')

async function pair(options: Parameters<typeof bareAccount>[0] = {}) {
  const juliet = bareAccount(options)
  await givePreKeys(juliet)
  return { juliet, peer: new Peer(romeo, 7) }
}

async function preKeyCount(of: BareAccount, namespace: Namespace): Promise<number> {
  return decodePreKeys((await stored(of, records.preKeys(namespace))) as Bytes).oneTime.length
}

test('row 1: a tag in the payload, which any recipient could have forged, is malformed', async () => {
  const { juliet, peer } = await pair()
  const { keyMaterial, payload, iv } = payloadCiphers[AXOLOTL].seal(utf8ToBytes('of 2015'))
  const sealed = {
    keyMaterial: keyMaterial.slice(0, 16),
    payload: Uint8Array.from([...payload, ...keyMaterial.slice(16)]),
    ...(iv && { iv }),
  }
  const before = await contents(juliet)
  const received = live(juliet, await peer.write(juliet, AXOLOTL, 'x', { sealed }))
  expect(unreadable(await decrypt(juliet, received))).toMatchObject({ code: 'message-malformed' })
  expect(await contents(juliet)).toBe(before)
})

describe.each(BOTH)('%s', (namespace) => {
  test('row 3: a late message of an archived session, then a hundred on the current one', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'old')))
    const late = live(juliet, await peer.write(juliet, namespace, 'late'))
    peer.forget(juliet, namespace)
    expect(seen(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'new'))))).toBe('new')
    expect(seen(await decrypt(juliet, late))).toBe('late')
    for (let i = 0; i < 100; i++) {
      const next = live(juliet, await peer.write(juliet, namespace, `${i}`))
      expect(seen(await decrypt(juliet, next))).toBe(`${i}`)
    }
  })

  test.each(['key', 'payload'] as const)(
    'row 3: a failure at the %s leaves the store as it was',
    async (at) => {
      const { juliet, peer } = await pair()
      for (const text of ['a key exchange', 'a repeated one']) {
        const stanza = await peer.write(juliet, namespace, text)
        const before = await contents(juliet)
        const failed = unreadable(await decrypt(juliet, live(juliet, tampered(stanza, namespace, at))))
        expect(failed.code).toBe(
          at === 'key' ? 'message-authentication-failed' : 'payload-authentication-failed',
        )
        expect(await contents(juliet)).toBe(before)
        expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe(text)
      }
    },
  )

  test('row 9: a forged key exchange pins nothing, and the genuine device still gets through', async () => {
    const { juliet, peer } = await pair()
    const forger = new Peer(romeo, 7)
    const before = await contents(juliet)
    for (let i = 0; i < 20; i++) {
      forger.forget(juliet, namespace)
      const forged = tampered(await forger.write(juliet, namespace, 'forged'), namespace, 'key')
      expect(unreadable(await decrypt(juliet, live(juliet, forged))).code).toBe(
        'message-authentication-failed',
      )
    }
    expect(await contents(juliet)).toBe(before)
    expect(juliet.events).toEqual([])
    expect(await preKeyCount(juliet, namespace)).toBe(30)
    expect(seen(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'genuine'))))).toBe(
      'genuine',
    )
    expect(juliet.events.map(({ kind }) => kind)).toEqual(['key-met', 'session'])
  })

  test('row 10: a device that appears after a verification is undecided and reported', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'me')))
    await decide(juliet, { owner: romeo, fingerprint: peer.fingerprint }, 'verified', 'scan')
    juliet.events.length = 0
    const injected = new Peer(romeo, 8)
    const opened = message(
      await decrypt(juliet, live(juliet, await injected.write(juliet, namespace, 'me, too'))),
    )
    expect(opened.key).toMatchObject({ level: 'undecided', fingerprint: injected.fingerprint })
    expect(opened.warnings).toEqual(['key-undecided'])
    expect(juliet.events[0]).toMatchObject({ kind: 'key-met', key: { level: 'undecided' } })
  })

  test('row 10: devices of the own account go through the policy as well', async () => {
    const { juliet } = await pair({ policy: manual })
    const injected = new Peer(juliet.jid, 8)
    const stanza = await injected.write(juliet, namespace, 'hi', { to: romeo, envelope: { to: romeo } })
    const opened = message(await decrypt(juliet, by(live(juliet, stanza), 'carbon')))
    expect(opened).toMatchObject({
      own: true,
      key: { own: true, level: 'undecided' },
      warnings: ['key-undecided'],
    })
  })

  test('row 12: a thousand undecryptable messages cause no key exchange', async () => {
    const { juliet, peer } = await pair()
    await giveList(juliet, romeo, namespace, [7])
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'hello')))
    await juliet.effects.discard(await juliet.effects.list())
    const broken = tampered(await peer.write(juliet, namespace, 'x'), namespace, 'key')
    const before = await contents(juliet)
    for (let i = 0; i < 1000; i++)
      expect((await decrypt(juliet, live(juliet, broken))).kind).toBe('unreadable')
    expect(await contents(juliet)).toBe(before)
    expect(await waiting(juliet)).toEqual([])
  })

  test('row 12: a thousand messages without a session cause one, and another a day later', async () => {
    const { juliet, peer } = await pair()
    await giveList(juliet, romeo, namespace, [7])
    const stanza = await unknownSession(peer, namespace)
    const count = async () => {
      for (let i = 0; i < 1000; i++)
        expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(session-missing)')
      const found = await waiting(juliet)
      await juliet.effects.discard(await juliet.effects.list())
      return found
    }
    expect(await count()).toEqual(['heal'])
    expect(await count()).toEqual([])
    juliet.time += HEAL_MS
    expect(await count()).toEqual(['heal'])
  })

  test('row 12: nobody is asked to heal for an unlisted device, a distrusted key, an archive or a room', async () => {
    const { juliet, peer } = await pair()
    const stanza = await unknownSession(peer, namespace)
    await giveList(juliet, romeo, namespace, [8])
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(session-missing)')
    expect(await waiting(juliet)).toEqual([])
    await giveList(juliet, romeo, namespace, [7])
    expect(unreadable(await decrypt(juliet, by(live(juliet, stanza), 'archive')))).toMatchObject({
      code: 'archived-session-missing',
      retry: 'never',
    })
    expect(await waiting(juliet)).toEqual([])
    await giveIdentity(juliet, romeo, 7, peer.fingerprint)
    await decide(juliet, { owner: romeo, fingerprint: peer.fingerprint }, 'distrusted', 'choice')
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(session-missing)')
    expect(await waiting(juliet)).toEqual([])
    const inRoom = { ...stanza, attrs: { ...stanza.attrs, type: 'groupchat', from: `${room}/nick` } }
    expect(seen(await decrypt(juliet, live(juliet, inRoom)))).toBe('(session-missing)')
    expect(await waiting(juliet)).toEqual([])
  })

  test('row 14: what a carbon or an archive result says counts only from whom it may come', async () => {
    const { juliet, peer } = await pair()
    const stanza = await peer.write(juliet, namespace, 'hello')
    const wrapped = element('jabber:client', 'message', { from: tybalt, to: juliet.jid }, [
      element('urn:xmpp:carbons:2', 'received', {}, element('urn:xmpp:forward:0', 'forwarded', {}, stanza)),
    ])
    expect(receive(wrapped, { account: juliet.jid }).kind).toBe('forged')
    expect(await decrypt(juliet, live(juliet, { ...wrapped, children: [] }))).toMatchObject({
      why: 'ignored',
    })
  })

  test('row 14: a key exchange that another account sends is that account’s', async () => {
    const { juliet, peer } = await pair()
    const stanza = await peer.write(juliet, namespace, 'hello')
    const passedOn = { ...stanza, attrs: { ...stanza.attrs, from: `${tybalt}/x` } }
    const outcome = await decrypt(juliet, live(juliet, passedOn))
    // In 0.3 nothing inside says who wrote it: it is shown as of a new key of tybalt’s, never as of romeo’s.
    if (namespace === OMEMO_2) expect(unreadable(outcome).code).toBe('envelope-affix-mismatch')
    else expect(message(outcome)).toMatchObject({ sender: { jid: tybalt }, key: { owner: tybalt } })
  })

  test('row 15: an occupant whom nobody knows is found by the session, and that is reported', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'hello')))
    const inRoom = await writeToRoom(peer, juliet, namespace, 'in the room')
    const opened = message(await decrypt(juliet, live(juliet, inRoom)))
    expect(opened).toMatchObject({
      sender: { jid: romeo, id: 7 },
      chat: room,
      warnings: ['sender-by-session'],
    })
    // The same stanza once the room has said it: the same message.
    const again = message(await decrypt(juliet, live(juliet, inRoom, romeo)))
    expect(again).toEqual(opened)
  })

  test('row 15: a nickname does not make a sender', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'hello')))
    await peer.hear(juliet, namespace)
    const stanza = await writeToRoom(peer, juliet, namespace, 'as tybalt')
    const asTybalt = unreadable(await decrypt(juliet, live(juliet, stanza, tybalt)))
    expect(asTybalt.code).toBe('session-missing')
    expect(asTybalt.detail.sender?.jid).toBe(tybalt)
  })

  test('row 15: a key exchange from nobody known counts only from an identity that was shown before', async () => {
    const { juliet, peer } = await pair()
    const stanza = await writeToRoom(peer, juliet, namespace, 'first words')
    const before = await contents(juliet)
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(sender-unknown)')
    expect(await contents(juliet)).toBe(before)
    await giveIdentity(juliet, romeo, 7, new Peer(romeo, 7).fingerprint)
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(sender-unknown)')
    await giveIdentity(juliet, romeo, 7, peer.fingerprint)
    expect(message(await decrypt(juliet, live(juliet, stanza))).warnings).toContain('sender-by-session')
  })

  test('row 15: two members whose devices have the same id', async () => {
    const { juliet, peer } = await pair()
    const twin = new Peer(tybalt, 7)
    for (const one of [peer, twin])
      await decrypt(juliet, live(juliet, await one.write(juliet, namespace, 'hi')))
    for (const one of [twin, peer, twin]) {
      const opened = message(
        await decrypt(juliet, live(juliet, await writeToRoom(one, juliet, namespace, 'x'))),
      )
      expect(opened.sender.jid).toBe(one.account)
      expect(opened.key.fingerprint).toBe(one.fingerprint)
    }
  })

  test('row 15: no more accounts are tried than allowed', async () => {
    const { juliet } = await pair()
    const peers = Array.from({ length: MAX_SENDERS + 1 }, (_, i) => new Peer(bare(`u${i}@montague.lit`), 7))
    for (const one of peers) await giveIdentity(juliet, one.account, 7, one.fingerprint)
    const outcomes: string[] = []
    for (const one of peers)
      outcomes.push(seen(await decrypt(juliet, live(juliet, await writeToRoom(one, juliet, namespace, 'x')))))
    expect(outcomes.filter((what) => what === 'x')).toHaveLength(MAX_SENDERS)
    expect(outcomes.filter((what) => what === '(sender-unknown)')).toHaveLength(1)
  })

  test('row 17: another identity under a known id is another key, and both sessions go on', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'me')))
    juliet.events.length = 0
    const other = new Peer(romeo, 7)
    const opened = message(
      await decrypt(juliet, live(juliet, await other.write(juliet, namespace, 'not me'))),
    )
    expect(opened.key.fingerprint).toBe(other.fingerprint)
    expect(juliet.events).toContainEqual(
      expect.objectContaining({
        kind: 'identity-changed',
        device: { jid: romeo, id: 7 },
        previous: peer.fingerprint,
        key: expect.objectContaining({ fingerprint: other.fingerprint }),
      }),
    )
    for (const one of [peer, other, peer]) {
      const next = message(await decrypt(juliet, live(juliet, await one.write(juliet, namespace, 'still'))))
      expect(next.key.fingerprint).toBe(one.fingerprint)
    }
    expect(juliet.events.filter(({ kind }) => kind === 'identity-changed')).toHaveLength(1)
  })

  test('row 17: one identity under two addresses is two keys', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'me')))
    await decide(juliet, { owner: romeo, fingerprint: peer.fingerprint }, 'verified', 'scan')
    const thief = new Peer(tybalt, 7, peer.identity)
    const opened = message(
      await decrypt(juliet, live(juliet, await thief.write(juliet, namespace, 'me, too'))),
    )
    expect(opened.key).toMatchObject({ owner: tybalt, fingerprint: peer.fingerprint, level: 'blind' })
  })

  test('identities of one device id are bounded, and the sessions in use go last', async () => {
    const { juliet, peer } = await pair()
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'first')))
    // Two messages that are no key exchange would confirm it; one that comes first is enough.
    const list = records.sessionsOf(namespace, { jid: romeo, id: 7 })
    for (let i = 0; i < MAX_LISTS_PER_DEVICE + 3; i++) {
      juliet.time += 1000
      await decrypt(juliet, live(juliet, await new Peer(romeo, 7).write(juliet, namespace, 'other')))
    }
    const { entries } = await juliet.store.list(list)
    expect(entries).toHaveLength(MAX_LISTS_PER_DEVICE)
    const archived = await juliet.store.list(records.archivedOf(namespace, { jid: romeo, id: 7 }))
    expect(archived.entries).toHaveLength(MAX_LISTS_PER_DEVICE)
  })

  test('row 18: trust messages and opting out mean nothing outside of an omemo:2 envelope', async () => {
    const { juliet, peer } = await pair()
    const optOut = element(OMEMO_2, 'opt-out')
    const trust = element('urn:xmpp:tm:1', 'trust-message', { usage: 'urn:xmpp:atm:1', encryption: OMEMO_2 })
    const outside = [optOut, trust]
    const opened = message(
      await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'x', { outside }))),
    )
    expect(opened.unauthenticated.map(({ name }) => name)).toEqual(
      namespace === AXOLOTL ? ['trust-message'] : [],
    )
    expect(juliet.events.map(({ kind }) => kind)).not.toContain('opted-out')
    const plain = element('jabber:client', 'message', { from: romeo, to: juliet.jid }, outside)
    expect(await decrypt(juliet, live(juliet, plain))).toEqual({ kind: 'silent', why: 'ignored' })
  })

  test('our own device id with a key for ourselves is forged', async () => {
    const { juliet } = await pair()
    const clone = new Peer(juliet.jid, juliet.self.deviceId)
    const stanza = await clone.write(juliet, namespace, 'me', { to: romeo, envelope: { to: romeo } })
    const outcome = await decrypt(juliet, by(live(juliet, stanza), 'carbon'))
    // In 0.3 a key names no account: a device of romeo may have our id.
    if (namespace === OMEMO_2) expect(unreadable(outcome)).toMatchObject({ code: 'forged', retry: 'never' })
    else expect(outcome).toEqual({ kind: 'silent', why: 'own' })
  })

  test('row 23: a message of our own id that is ahead of what we have sent tells of a clone', async () => {
    // Juliet's profile is copied: the copy has sent two messages to romeo, this store knows of one.
    const juliet = bareAccount()
    const there = bareAccount({ jid: romeo, seed: 'romeo' })
    await givePreKeys(there)
    const copy = new Peer(juliet.jid, juliet.self.deviceId, juliet.self.identity)
    const first = await copy.write(there, namespace, 'one')
    await giveSessions(juliet, copy, there, namespace)
    const second = await copy.write(there, namespace, 'two')
    const at = (stanza: Element) => by(live(juliet, stanza), 'archive')
    expect(await decrypt(juliet, at(first))).toEqual({ kind: 'silent', why: 'own' })
    expect(juliet.events).toEqual([])
    const before = await contents(juliet)
    expect(await decrypt(juliet, at(second))).toEqual({ kind: 'silent', why: 'own' })
    expect(juliet.events).toMatchObject([{ kind: 'cloned' }])
    expect(await contents(juliet)).toBe(before)
  })

  test('a queue that is full costs no message', async () => {
    const { juliet, peer } = await pair()
    const { effects } = juliet
    const add: typeof effects.add = async (reader, wanted) => {
      if (wanted.some(({ kind }) => kind !== 'publish-bundle')) throw new StoreError('lane-full', 'full')
      return effects.add(reader, wanted)
    }
    const account: BareAccount = { ...juliet, effects: { ...effects, add } }
    expect(seen(await decrypt(account, live(account, await peer.write(account, namespace, 'x'))))).toBe('x')
    expect(await waiting(account)).toEqual(['publish-bundle'])
  })
})

async function unknownSession(peer: Peer, namespace: Namespace): Promise<Element> {
  // Another installation of the account had the session that this message is of.
  const before = bareAccount({ seed: 'before' })
  await givePreKeys(before)
  await decrypt(before, live(before, await peer.write(before, namespace, 'key exchange')))
  await peer.hear(before, namespace)
  return peer.write(before, namespace, 'of that session')
}

function writeToRoom(peer: Peer, to: BareAccount, namespace: Namespace, text: string): Promise<Element> {
  return peer.write(to, namespace, text, { type: 'groupchat', from: `${room}/nick`, envelope: { to: room } })
}

async function giveIdentity(of: BareAccount, jid: BareJid, id: number, fingerprint: string): Promise<void> {
  const bytes = await stored(of, records.contact(jid))
  const known = bytes ? decodeContact(bytes) : newContact(jid)
  const { contact } = withIdentity(known, id, { fingerprint }, of.time)
  await put(of, records.contact(jid), encodeContact(contact))
}

/** Has an account continue the sessions of a peer, whose profile it is. */
async function giveSessions(
  of: BareAccount,
  peer: Peer,
  to: BareAccount,
  namespace: Namespace,
): Promise<void> {
  const device = { jid: to.jid, id: to.self.deviceId }
  const ref = { namespace, device, fingerprint: to.self.fingerprint }
  const list = peer.sessions(to, namespace)
  if (list === undefined) throw new Error('no session')
  await of.store.commit([], { put: putList(ref, list, undefined) })
}

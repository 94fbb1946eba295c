/** Servers and contacts that would be somebody else, or would have a contact's own keys pushed out. */
import { type BareJid, bare, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  decodeContact,
  encodeContact,
  MAX_IDENTITIES,
  newContact,
  withIdentity,
} from '../src/device/contact.ts'
import { decide } from '../src/keyring.ts'
import { MAX_LISTS_PER_DEVICE } from '../src/message/opening.ts'
import { decrypt } from '../src/message/receiving.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { seen, waiting } from './outcomes.ts'
import { BOTH, contents, giveList, givePreKeys, live, Peer, put, stored } from './peer.ts'

const romeo = bare('romeo@montague.lit')
const mallory = bare('aaron@montague.lit')
const room = bare('room@conference.lit')

/** Juliet has verified romeo's device, and there is a session that both have used. */
async function verified() {
  const juliet = bareAccount()
  await givePreKeys(juliet, 60)
  const peer = new Peer(romeo, 7)
  await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'hello')))
  await peer.hear(juliet, OMEMO_2)
  await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'hello')))
  await decide(juliet, { owner: romeo, fingerprint: peer.fingerprint }, 'verified', 'scan')
  juliet.events.length = 0
  return { juliet, peer }
}

async function contactOf(of: BareAccount, jid: BareJid) {
  const bytes = await stored(of, records.contact(jid))
  return bytes ? decodeContact(bytes) : newContact(jid)
}

describe('opting out', () => {
  const optOut = [element(OMEMO_2, 'opt-out', {}, element(OMEMO_2, 'reason', {}, 'plain text is fine'))]

  test('a device that a server adds after a verification cannot ask for plain text', async () => {
    const { juliet } = await verified()
    const injected = new Peer(romeo, 8)
    const stanza = await injected.write(juliet, OMEMO_2, optOut)
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(control)')
    expect(juliet.events.map(({ kind }) => kind)).not.toContain('opted-out')
    expect((await contactOf(juliet, romeo)).optedOut).toBeUndefined()
  })

  test('the verified one can', async () => {
    const { juliet, peer } = await verified()
    await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, optOut)))
    expect(juliet.events).toContainEqual({ kind: 'opted-out', jid: romeo, reason: 'plain text is fine' })
    expect((await contactOf(juliet, romeo)).optedOut?.reason).toBe('plain text is fine')
  })
})

test.each(BOTH)('%s: who publishes the bundle of another one is not taken for them in a room', async (ns) => {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  const peer = new Peer(romeo, 7)
  for (const jid of [mallory, romeo]) {
    const { contact } = withIdentity(newContact(jid), 7, { fingerprint: peer.fingerprint }, juliet.time)
    await put(juliet, records.contact(jid), encodeContact(contact))
  }
  const stanza = await peer.write(juliet, ns, 'it was me', {
    type: 'groupchat',
    from: `${room}/nick`,
    envelope: { to: room },
  })
  const opened = await decrypt(juliet, live(juliet, stanza))
  if (ns === AXOLOTL) expect(seen(opened)).toBe('(sender-unknown)')
  else expect(opened).toMatchObject({ kind: 'message', sender: { jid: romeo } })
  // Once the room has said who it was, it is read.
  expect(await decrypt(juliet, live(juliet, stanza, romeo))).toMatchObject({ sender: { jid: romeo } })
})

describe('other identities under the id of a verified device', () => {
  async function crowded() {
    const { juliet, peer } = await verified()
    for (let i = 0; i < MAX_LISTS_PER_DEVICE + 2; i++) {
      juliet.time += 60_000
      const impostor = new Peer(romeo, 7)
      await decrypt(juliet, live(juliet, await impostor.write(juliet, OMEMO_2, 'me')))
      await impostor.hear(juliet, OMEMO_2)
      await decrypt(juliet, live(juliet, await impostor.write(juliet, OMEMO_2, 'me again')))
    }
    return { juliet, peer }
  }

  test('do not push out its session', async () => {
    const { juliet, peer } = await crowded()
    expect(seen(await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'still here'))))).toBe(
      'still here',
    )
  })

  test('nor that it is the device: it is among those that may be sent to', async () => {
    const { juliet, peer } = await crowded()
    const device = (await contactOf(juliet, romeo)).devices.find(({ id }) => id === 7)
    expect(device?.identities).toHaveLength(MAX_IDENTITIES)
    expect(device?.identities.map(({ fingerprint }) => fingerprint)).toContain(peer.fingerprint)
  })

  test('nor keep a session from being opened when there is none', async () => {
    const { juliet, peer } = await crowded()
    await giveList(juliet, romeo, OMEMO_2, [7])
    const { entries } = await juliet.store.list('session/')
    const archived = await juliet.store.list('archived/')
    await juliet.store.commit([], { delete: [...entries, ...archived.entries].map(([key]) => key) })
    const stanza = await peer.write(juliet, OMEMO_2, 'no session')
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(session-missing)')
    expect(await waiting(juliet)).toContain('heal')
    expect(await contents(juliet, 'session/')).toBe('')
  })
})

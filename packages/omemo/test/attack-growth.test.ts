/** What a stranger, a distrusted contact or a server can make grow, or last, without end. */
import { update } from '@xmpp-e2e/store'
import { bare } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { encodeContact, MAX_KNOWN_DEVICES, newContact, withIdentity } from '../src/device/contact.ts'
import { decide } from '../src/keyring.ts'
import { beginCatchUp, decodeSpent, MAX_CATCH_UP_MS } from '../src/message/catch-up.ts'
import { hidden, MAX_HIDDEN, MAX_HIDDEN_BYTES } from '../src/message/hidden.ts'
import { unsettled } from '../src/message/kept.ts'
import { decrypt } from '../src/message/receiving.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { bareAccount } from './bare-account.ts'
import { message, seen } from './outcomes.ts'
import { BOTH, givePreKeys, live, Peer, put, stored } from './peer.ts'

const romeo = bare('romeo@montague.lit')
const DAY = 86_400_000

test('a contact with ever more devices: what is forgotten of them is their sessions, too', async () => {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  for (const namespace of BOTH)
    await decrypt(juliet, live(juliet, await new Peer(romeo, 1).write(juliet, namespace, 'one')))
  let contact = newContact(romeo)
  const fingerprint = 'a'.repeat(64)
  for (let id = 1; id <= MAX_KNOWN_DEVICES; id++)
    contact = withIdentity(contact, id, { fingerprint }, juliet.time).contact
  await put(juliet, records.contact(romeo), encodeContact(contact))
  await decrypt(juliet, live(juliet, await new Peer(romeo, 9999).write(juliet, OMEMO_2, 'and one more')))
  const { entries } = await juliet.store.list('')
  const ofDevices = entries.map(([key]) => key).filter((key) => /^(session|archived)\//.test(key))
  expect(ofDevices.filter((key) => key.includes(`${romeo}/9999/`))).toHaveLength(2)
  expect(ofDevices.filter((key) => key.includes(`${romeo}/1/`))).toEqual([])
})

test('a distrusted contact who writes and writes fills no store: the newest is kept', async () => {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  const peer = new Peer(romeo, 7)
  const key = { owner: romeo, fingerprint: peer.fingerprint }
  await decrypt(juliet, live(juliet, await peer.write(juliet, AXOLOTL, 'hello')))
  await decide(juliet, key, 'distrusted', 'choice')
  const long = 'x'.repeat(400_000)
  for (let i = 0; i < 20; i++) {
    const received = live(juliet, await peer.write(juliet, AXOLOTL, `${i} ${long}`))
    expect(seen(await decrypt(juliet, received))).toBe('(key-distrusted)')
    expect(seen(await decrypt(juliet, received))).toBe('(key-distrusted)')
  }
  const { entries } = await juliet.store.list(records.allKept)
  expect(entries.reduce((sum, [, value]) => sum + value.length, 0)).toBeLessThan(2 * MAX_HIDDEN_BYTES)
  await decide(juliet, key, 'verified', 'choice')
  const words = (await unsettled(juliet)).map((one) => seen(message(one)).split(' ')[0])
  expect(words.at(0)).toBe('hello')
  expect(words.at(-1)).toBe('19')
})

test('a thousand strangers hold up no contact: what is asked because of them waits in one line', async () => {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  const before = bareAccount({ seed: 'before' })
  await givePreKeys(before)
  const peer = new Peer(bare('one@stranger.lit'), 7)
  await decrypt(before, live(before, await peer.write(before, OMEMO_2, 'first')))
  await peer.hear(before, OMEMO_2)
  const stanza = await peer.write(before, OMEMO_2, 'second')
  const here = { ...juliet, self: before.self }
  for (let i = 0; i < 100; i++) {
    const from = `u${i}@stranger.lit/x`
    expect(seen(await decrypt(here, live(here, { ...stanza, attrs: { ...stanza.attrs, from } })))).toBe(
      '(session-missing)',
    )
  }
  const queued = await here.effects.list()
  expect(queued).toHaveLength(100)
  expect(new Set(queued.map(({ lane }) => lane)).size).toBe(1)
})

test('an archive that can never be read does not keep used prekeys for ever', async () => {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  await beginCatchUp(juliet)
  await decrypt(juliet, live(juliet, await new Peer(romeo, 7).write(juliet, OMEMO_2, 'hello')))
  expect(decodeSpent(await stored(juliet, records.spent(OMEMO_2))).preKeys).toHaveLength(1)
  const until = juliet.time + MAX_CATCH_UP_MS
  while (juliet.time + DAY / 2 < until) {
    juliet.time += DAY / 2
    await beginCatchUp(juliet)
  }
  juliet.time = until - 1
  await beginCatchUp(juliet)
  expect(decodeSpent(await stored(juliet, records.spent(OMEMO_2))).preKeys).toHaveLength(1)
  juliet.time = until
  await beginCatchUp(juliet)
  expect(decodeSpent(await stored(juliet, records.spent(OMEMO_2))).preKeys).toHaveLength(0)
})

test('what is shown since a decision is not deleted for what another device of theirs writes', async () => {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  const [phone, tablet] = [new Peer(romeo, 7), new Peer(romeo, 8)]
  for (const { fingerprint } of [phone, tablet])
    await decide(juliet, { owner: romeo, fingerprint }, 'distrusted', 'choice')
  await decrypt(juliet, live(juliet, await phone.write(juliet, AXOLOTL, 'hello')))
  await decrypt(juliet, live(juliet, await tablet.write(juliet, AXOLOTL, 'first')))
  await decide(juliet, { owner: romeo, fingerprint: phone.fingerprint }, 'verified', 'compare')
  for (let i = 0; i < MAX_HIDDEN; i++)
    await decrypt(juliet, live(juliet, await tablet.write(juliet, AXOLOTL, `${i}`)))
  expect((await unsettled(juliet)).map((one) => seen(message(one)))).toEqual(['hello'])
  expect((await juliet.store.list(records.allKept)).entries).toHaveLength(1 + MAX_HIDDEN)
})

test.each([
  ['messages', MAX_HIDDEN, 1],
  ['bytes', 4, MAX_HIDDEN_BYTES / 4],
])('of %s that are not shown so much is kept, and no more', async (_, count, length) => {
  const juliet = bareAccount()
  const gone: string[] = []
  for (let i = 0; i <= count; i++) {
    expect(gone).toEqual([])
    await update(juliet.store, [], async (_, reader) => {
      const one = await hidden(juliet, reader, romeo, `${i}`, length)
      gone.push(...one.delete)
      return { put: [one.put], result: undefined }
    })
  }
  expect(gone).toEqual([records.kept('0')])
})

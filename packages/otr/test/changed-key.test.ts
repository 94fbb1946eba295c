/** A contact who comes back with another key: the old session is over, and the new one is not used until it is selected. */
import { memoryStore } from '@xmpp-e2e/store'
import { bare } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { chat, network } from './facade.ts'

const ALICE = bare('alice@a.example')
const BOB = bare('bob@b.example')
const PHONE = 'bob@b.example/phone'

/** Bob's client is new, with another key and tag; where the old one was, or elsewhere. */
async function returned(address: string) {
  const net = network()
  const alice = await net.client('alice@a.example/desk', { seed: 1 })
  const before = await net.client(PHONE, { seed: 2 })
  await alice.otr.query(BOB)
  await net.settle()
  await before.otr.close()
  await net.settle()
  net.drop(PHONE)
  const bob = await net.client(address, { seed: 3, store: memoryStore() })
  net.clock.pass(5000)
  await bob.otr.query(ALICE)
  await net.settle()
  const { fingerprint, instanceTag: instance } = bob.otr
  const asked = () => alice.events.filter(({ kind }) => kind === 'smp-asked')
  return { net, alice, before, bob, fingerprint, instance, asked }
}

const addresses = [PHONE, 'bob@b.example/other']

test.each(addresses)('what is sent is refused with the key to look at, at %s', async (address) => {
  const { net, alice, before, bob, fingerprint, instance } = await returned(address)
  expect(alice.otr.sessions(BOB)).toMatchObject([
    { session: { state: 'finished' }, selected: true },
    { session: { state: 'encrypted', fingerprint }, selected: false },
  ])
  const refused = { kind: 'refused', code: 'key-changed', ask: [{ owner: BOB, fingerprint }] }
  expect(await alice.otr.send(chat(BOB, 'a'), [BOB])).toMatchObject(refused)
  expect(await alice.otr.shareKey(BOB, 1)).toMatchObject(refused)
  expect(await alice.otr.shareKey(BOB, 1, undefined, { instance })).toMatchObject(refused)
  // Whatever is thought of the old key.
  await alice.otr.decide({ owner: BOB, fingerprint: before.otr.fingerprint }, 'distrusted', 'compare')
  expect(await alice.otr.send(chat(BOB, 'a'), [BOB])).toMatchObject(refused)
  await alice.otr.select(bob.jid, instance, fingerprint)
  expect(await alice.otr.send(chat(BOB, 'b'), [BOB])).toMatchObject({ kind: 'encrypted' })
  await net.settle()
  expect(bob.read()).toStrictEqual(['b'])
  expect(await alice.otr.shareKey(BOB, 1, undefined, { instance })).toMatchObject({ kind: 'shared' })
})

test.each(addresses)('a comparison is with the only session there is, at %s', async (address) => {
  const { net, alice, bob, fingerprint } = await returned(address)
  expect(await alice.otr.compare(BOB, 'x')).toStrictEqual({ kind: 'begun' })
  await net.settle()
  expect(await bob.otr.answer(ALICE, 'x')).toStrictEqual({ kind: 'begun' })
  await net.settle()
  expect(alice.events.at(-1)).toMatchObject({
    kind: 'smp-ended',
    result: 'match',
    fingerprint,
    keyChanged: true,
  })
  expect(await alice.otr.keys(BOB)).toContainEqual(
    expect.objectContaining({ fingerprint, level: 'verified' }),
  )
})

test.each(addresses)('who asks is answered, and who was asked can abort, at %s', async (address) => {
  const { net, alice, bob, instance, asked } = await returned(address)
  for (const at of [{}, { instance }]) {
    await bob.otr.compare(ALICE, 'x')
    await net.settle()
    expect(asked().at(-1)).toMatchObject({ jid: address, instance, keyChanged: true })
    expect(await alice.otr.answer(address, 'x', at)).toStrictEqual({ kind: 'begun' })
    await net.settle()
    expect(bob.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'match' })
    await bob.otr.compare(ALICE, 'x')
    await net.settle()
    expect(await alice.otr.abort(address, at)).toStrictEqual({ kind: 'begun' })
    await net.settle()
    expect(bob.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'aborted' })
  }
})

test('an instance that is not there, or whose session is over, gets nothing', async () => {
  const { alice, before, instance } = await returned(PHONE)
  const refused = { kind: 'refused', code: 'not-encrypted', ask: [] }
  for (const at of [{ instance: instance + 1 }, { instance: before.otr.instanceTag }]) {
    expect(await alice.otr.compare(BOB, 'x', at)).toStrictEqual(refused)
    expect(await alice.otr.answer(BOB, 'x', at)).toStrictEqual(refused)
    expect(await alice.otr.abort(BOB, at)).toStrictEqual(refused)
    expect(await alice.otr.shareKey(BOB, 1, undefined, at)).toStrictEqual(refused)
  }
})

test('of two that are there, none is taken for the one that is over', async () => {
  const { net, alice, fingerprint, instance } = await returned(PHONE)
  const third = await net.client('bob@b.example/third', { seed: 4 })
  await third.otr.query(ALICE)
  await net.settle()
  expect(await alice.otr.send(chat(BOB, 'a'), [BOB])).toMatchObject({
    code: 'key-changed',
    ask: [{ fingerprint }, { fingerprint: third.otr.fingerprint }],
  })
  expect(await alice.otr.compare(BOB, 'x')).toStrictEqual({ kind: 'refused', code: 'not-encrypted', ask: [] })
  expect(await alice.otr.compare(BOB, 'x', { instance })).toStrictEqual({ kind: 'begun' })
})

test('while there is a session with the key that is meant, all is with it', async () => {
  const net = network()
  const alice = await net.client('alice@a.example/desk', { seed: 1 })
  const bob = await net.client(PHONE, { seed: 2 })
  await alice.otr.query(BOB)
  await net.settle()
  const other = await net.client('bob@b.example/other', { seed: 3 })
  await other.otr.query(ALICE)
  await net.settle()
  await alice.otr.compare(BOB, 'x')
  await net.settle()
  expect(bob.events.at(-1)).toMatchObject({ kind: 'smp-asked' })
  await alice.otr.abort(BOB)
  await net.settle()
  expect(bob.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'aborted' })
  // Both ask.
  for (const one of [bob, other]) await one.otr.compare(ALICE, 'x')
  await net.settle()
  await alice.otr.answer(BOB, 'x')
  await net.settle()
  expect(bob.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'match' })
  expect(other.events.at(-1)).not.toMatchObject({ kind: 'smp-ended' })
})

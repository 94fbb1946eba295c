/** Row 23: a store that is older than what its device has published. */
import { publish } from '@xmpp-e2e/disco/pep'
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { describe, expect, test } from 'vitest'
import { fetchOwnBundle, isAhead, MAX_IDS_AHEAD, ROLLBACK_MS } from '../src/device/own-bundle.ts'
import { type Bundle, bundles, decodePreKeys, type Namespace } from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { bodyOf, chat, type TestDevice, type World, world } from './world.ts'

async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore()
  await copy.commit([], { put: (await store.list('')).entries })
  return copy
}

async function send(
  world: World,
  from: TestDevice,
  to: TestDevice,
  body: string,
): Promise<readonly string[]> {
  to.arrived()
  const { service } = world
  const sent = await service.finish(from.omemo.encrypt(chat(to.account, body), [to.account]))
  if (sent.kind !== 'encrypted') throw new Error(`${sent.code}: ${JSON.stringify(sent.skipped)}`)
  for (const stanza of sent.stanzas) await from.client.connection.send(stanza)
  await service.settle()
  const bodies: string[] = []
  for (const received of to.arrived()) {
    const outcome = await service.finish(to.omemo.decrypt(received))
    if (outcome.kind === 'message') bodies.push(bodyOf(outcome.content) ?? '')
    if (outcome.kind === 'unreadable') bodies.push(`${outcome.code} ${JSON.stringify(outcome.detail)}`)
  }
  await service.settle()
  return bodies
}

async function preKeysOf(store: Store, namespace: Namespace) {
  const [found] = await store.read([`omemo/juliet@capulet.example/pre-keys/${namespace}`])
  return decodePreKeys(found?.value as Uint8Array)
}

test('row 23: a restored backup drops its sessions, publishes higher ids, and is read by everybody again', async () => {
  const all = world()
  const { service, device } = all
  const juliet = await device('juliet')
  const romeo = await device('romeo')
  expect(await send(all, romeo, juliet, 'one')).toEqual(['one'])
  const backup = await copyOf(juliet.store)
  const benvolio = await device('benvolio')
  // Both sides go on: a ratchet, and a prekey.
  expect(await send(all, juliet, romeo, 'two')).toEqual(['two'])
  expect(await send(all, romeo, juliet, 'three')).toEqual(['three'])
  expect(await send(all, benvolio, juliet, 'four')).toEqual(['four'])
  await service.settle()
  const newest = await preKeysOf(juliet.store, OMEMO_2)
  await juliet.omemo.close()

  const restored = await device('juliet', { store: backup })
  expect(restored.events.filter(({ kind }) => kind === 'rolled-back')).toHaveLength(1)
  const { entries } = await backup.list('omemo/juliet@capulet.example/session/')
  expect(entries).toEqual([])
  for (const namespace of [OMEMO_2, AXOLOTL] as const) {
    const { deviceId } = restored.omemo
    const published = await fetchOwnBundle(restored.client, namespace, deviceId, {})
    const preKeys = await preKeysOf(backup, namespace)
    if (published.kind !== 'bundle') throw new Error(published.kind)
    expect(isAhead(preKeys, published.bundle)).toBe(false)
    expect(published.bundle.preKeys).toHaveLength(100)
  }
  const now = await preKeysOf(backup, OMEMO_2)
  expect(now.nextId).toBeGreaterThan(newest.nextId)
  expect(now.signed.id).toBeGreaterThan(newest.signed.id)
  // Prekeys that were not used since are still good; the one that was used is not.
  const kept = now.oneTime.filter(({ id }) => id < newest.nextId)
  expect(kept.length).toBeGreaterThan(90)
  expect(kept.every(({ id }) => newest.oneTime.some((preKey) => preKey.id === id))).toBe(true)

  expect(await send(all, restored, romeo, 'five')).toEqual(['five'])
  expect(await send(all, romeo, restored, 'six')).toEqual(['six'])
  // Once is enough.
  await service.finish(restored.omemo.start())
  expect(restored.events.filter(({ kind }) => kind === 'rolled-back')).toHaveLength(1)
})

test('a store that is merely reopened is none', async () => {
  const all = world()
  const juliet = await all.device('juliet')
  const romeo = await all.device('romeo')
  await send(all, romeo, juliet, 'one')
  await juliet.omemo.close()
  const again = await all.device('juliet', { store: juliet.store })
  expect(again.events.filter(({ kind }) => kind === 'rolled-back')).toEqual([])
  expect(await send(all, romeo, again, 'two')).toEqual(['two'])
})

describe('ids of prekeys are not signed, and the server of the account can write any', () => {
  async function published({ client, omemo }: TestDevice): Promise<Bundle> {
    const found = await fetchOwnBundle(client, OMEMO_2, omemo.deviceId, {})
    if (found.kind !== 'bundle') throw new Error(found.kind)
    return found.bundle
  }

  /** The bundle with the id of its last prekey, or of its signed one, so far above what the store has reached. */
  async function forge(device: TestDevice, which: 'one-time' | 'signed', ahead: number): Promise<void> {
    const { client, omemo, store } = device
    const { nextId, signed } = await preKeysOf(store, OMEMO_2)
    const bundle = await published(device)
    const [first, ...others] = bundle.preKeys
    if (first === undefined) throw new Error('no prekeys')
    const { location, encode } = bundles[OMEMO_2]
    const { node, item } = location(omemo.deviceId)
    const forged =
      which === 'signed'
        ? { ...bundle, signedPreKey: { ...bundle.signedPreKey, id: signed.id + ahead } }
        : { ...bundle, preKeys: [...others, { ...first, id: nextId - 1 + ahead }] }
    await publish(client.connection, node, { id: item, payload: encode(forged) })
  }

  const rollbacks = ({ events }: TestDevice) => events.filter(({ kind }) => kind === 'rolled-back').length
  const sessionsOf = async ({ store }: TestDevice) =>
    (await store.list('omemo/juliet@capulet.example/session/')).entries.length

  async function written() {
    const all = world()
    const juliet = await all.device('juliet')
    const romeo = await all.device('romeo')
    expect(await send(all, romeo, juliet, 'one')).toEqual(['one'])
    return { all, juliet, romeo, start: () => all.service.finish(juliet.omemo.start()) }
  }

  test.each(['one-time', 'signed'] as const)(
    '%s: those further ahead than any backup are believed of nothing',
    async (which) => {
      const { juliet, start } = await written()
      const [before, sessions] = [await preKeysOf(juliet.store, OMEMO_2), await sessionsOf(juliet)]
      expect(sessions).toBeGreaterThan(0)
      await forge(juliet, which, MAX_IDS_AHEAD + 1)
      await start()
      expect([rollbacks(juliet), await sessionsOf(juliet)]).toEqual([0, sessions])
      const { nextId, signed } = await preKeysOf(juliet.store, OMEMO_2)
      expect([nextId, signed.id]).toEqual([before.nextId, before.signed.id])
      // And what is ours takes its place.
      expect(isAhead(before, await published(juliet))).toBe(false)
      await forge(juliet, which, MAX_IDS_AHEAD)
      await start()
      expect([rollbacks(juliet), await sessionsOf(juliet)]).toEqual([1, 0])
    },
  )

  test('sessions are dropped once a day, and ids not used up in between', async () => {
    const { all, juliet, romeo, start } = await written()
    await forge(juliet, 'one-time', 10)
    await start()
    expect([rollbacks(juliet), await sessionsOf(juliet)]).toEqual([1, 0])
    expect(await send(all, juliet, romeo, 'two')).toEqual(['two'])
    const [{ nextId }, sessions] = [await preKeysOf(juliet.store, OMEMO_2), await sessionsOf(juliet)]
    for (let i = 0; i < 3; i++) {
      await forge(juliet, 'one-time', 10)
      await start()
    }
    expect([rollbacks(juliet), await sessionsOf(juliet)]).toEqual([1, sessions])
    expect((await preKeysOf(juliet.store, OMEMO_2)).nextId).toBe(nextId)
    await all.service.advance(ROLLBACK_MS)
    await forge(juliet, 'one-time', 10)
    await start()
    expect([rollbacks(juliet), await sessionsOf(juliet)]).toEqual([2, 0])
  })
})

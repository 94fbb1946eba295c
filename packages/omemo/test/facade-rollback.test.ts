/** Row 23: a store that is older than what its device has published. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { expect, test } from 'vitest'
import { fetchOwnBundle, isAhead } from '../src/device/own-bundle.ts'
import { decodePreKeys, type Namespace } from '../src/primitives.ts'
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

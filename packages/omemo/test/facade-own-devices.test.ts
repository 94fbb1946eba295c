/** The account's own devices: labels, taking some out, leaving, starting over, and showing them. */
import { fetchItems, publish } from '@xmpp-e2e/disco/pep'
import type { TestService } from '@xmpp-e2e/testkit'
import { describe, expect, test } from 'vitest'
import { encodeContact, newContact, withIdentity } from '../src/device/contact.ts'
import { SIGNED_PRE_KEY_MS } from '../src/device/maintenance.ts'
import { REANNOUNCE_JITTER_MS } from '../src/device/own-events.ts'
import { bundles, currentItem, type Device, deviceLists, type Namespace } from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { fastCurve } from './device-account.ts'
import { chat, type TestDevice, world } from './world.ts'

const BOTH = [OMEMO_2, AXOLOTL] as const
const fast = { curve: fastCurve }

async function listOf(service: TestService, namespace: Namespace): Promise<readonly Device[] | undefined> {
  const { connection } = service.connect('stranger@elsewhere.example', { resource: 'x' })
  const owner = service.account('juliet')
  const items = await fetchItems(connection, deviceLists[namespace].node, { owner })
  const item = currentItem(items.map((item) => ({ ...item, id: item.id ?? '' })))
  return item?.payload && deviceLists[namespace].decode(item.payload)
}

const idsOf = async (service: TestService, namespace: Namespace) =>
  (await listOf(service, namespace))?.map(({ id }) => id)

async function hasBundle(service: TestService, namespace: Namespace, id: number): Promise<boolean> {
  const { connection } = service.connect('stranger@elsewhere.example', { resource: 'x' })
  const owner = service.account('juliet')
  const { node, item } = bundles[namespace].location(id)
  const items = await fetchItems(connection, node, { owner }).catch(() => [])
  return items.some((found) => found.id === item)
}

async function two() {
  const { service, device } = world()
  const [one, other] = [await device('juliet', fast), await device('juliet', fast)]
  await service.advance(REANNOUNCE_JITTER_MS)
  const [a, b] = [one.omemo.deviceId, other.omemo.deviceId]
  return { service, device, one, other, a, b }
}

describe('setLabel', () => {
  test('is signed and published, and taken away', async () => {
    const { service, device } = world()
    const { omemo } = await device('juliet', fast)
    await omemo.setLabel('Laptop')
    await service.advance(0)
    expect(await listOf(service, OMEMO_2)).toMatchObject([{ id: omemo.deviceId, label: 'Laptop' }])
    await omemo.setLabel(undefined)
    await service.advance(0)
    expect(await listOf(service, OMEMO_2)).toEqual([{ id: omemo.deviceId }])
    await expect(omemo.setLabel('x'.repeat(54))).rejects.toThrow(RangeError)
  })

  test('before the first announcement it waits for that', async () => {
    const { service, device } = world()
    const { omemo } = await device('juliet', { ...fast, isStarted: false })
    await omemo.setLabel('Laptop')
    await service.finish(omemo.start())
    expect(await listOf(service, OMEMO_2)).toMatchObject([{ label: 'Laptop' }])
  })
})

describe('removeDevices', () => {
  test('takes them off both lists, with their bundles', async () => {
    const { service, one, other, a, b } = await two()
    await other.omemo.close()
    await service.finish(one.omemo.removeDevices([b]))
    for (const namespace of BOTH) {
      expect(await idsOf(service, namespace)).toEqual([a])
      expect(await hasBundle(service, namespace, b)).toBe(false)
      expect(await hasBundle(service, namespace, a)).toBe(true)
    }
    expect(one.events.at(-1)).toEqual({
      kind: 'devices-changed',
      jid: 'juliet@capulet.example',
      added: [],
      removed: [b],
    })
  })

  test('refuses its own, and what is not there does no harm', async () => {
    const { service, one, a } = await two()
    await expect(one.omemo.removeDevices([a])).rejects.toThrow(RangeError)
    await service.finish(one.omemo.removeDevices([99]))
    expect(await idsOf(service, OMEMO_2)).toHaveLength(2)
  })

  test('an id that this device had before, with the same key, costs it no trust', async () => {
    const { service, one } = await two()
    const { contact } = withIdentity(newContact(one.account), 99, { fingerprint: one.omemo.fingerprint }, 0)
    const name = `omemo/${one.account}/${records.contact(one.account)}`
    await one.store.commit([], { put: [[name, encodeContact(contact)]] })
    await service.finish(one.omemo.removeDevices([99]))
    const [self] = (await one.omemo.devices(one.account)).filter(({ isThis }) => isThis)
    expect(self?.key).toMatchObject({ level: 'verified' })
    expect(await one.omemo.keys(one.account)).toEqual([])
  })

  test('a device that is in use comes back', async () => {
    const { service, one, b } = await two()
    await service.finish(one.omemo.removeDevices([b]))
    await service.advance(REANNOUNCE_JITTER_MS)
    for (const namespace of BOTH) {
      expect(await idsOf(service, namespace)).toContain(b)
      expect(await hasBundle(service, namespace, b)).toBe(true)
    }
  })
})

describe('leaving', () => {
  const erase = (device: TestDevice) => device.omemo.erase({ server: true })

  test('leaves the siblings, and nothing of its own', async () => {
    const { service, one, other, a, b } = await two()
    await service.finish(erase(one))
    await service.advance(10 * REANNOUNCE_JITTER_MS)
    for (const namespace of BOTH) {
      expect(await idsOf(service, namespace)).toEqual([b])
      expect([await hasBundle(service, namespace, a), await hasBundle(service, namespace, b)]).toEqual([
        false,
        true,
      ])
    }
    expect((await one.store.list('')).entries).toEqual([])
    expect(other.events.at(-1)).toMatchObject({ kind: 'devices-changed', removed: [a] })
  })

  test('the last one leaves nodes without items: an empty list is retracted', async () => {
    const { service, device } = world()
    const { client, omemo } = await device('juliet', fast)
    const { deviceId } = omemo
    await publish(client.connection, deviceLists[AXOLOTL].node, {
      id: 'older',
      payload: deviceLists[AXOLOTL].encode([{ id: deviceId }]),
    })
    await service.advance(REANNOUNCE_JITTER_MS)
    await service.finish(omemo.erase({ server: true }))
    for (const namespace of BOTH) {
      expect(await fetchItems(client.connection, deviceLists[namespace].node)).toEqual([])
      expect(await hasBundle(service, namespace, deviceId)).toBe(false)
    }
    expect(await fetchItems(client.connection, bundles[OMEMO_2].location(1).node)).toEqual([])
  })

  test('without a network it is erased here all the same', async () => {
    const { service, device } = world()
    const { omemo, store } = await device('juliet', fast)
    service.fault({ fault: { kind: 'error', condition: 'internal-server-error' }, direction: 'sent' })
    await service.finish(omemo.erase({ server: true }))
    expect((await store.list('')).entries).toEqual([])
  })
})

describe('reset', () => {
  test.each([true, false])(
    'with keepIdentity %s: another id, the old one gone, trust kept',
    async (keepIdentity) => {
      const { service, device } = world()
      const juliet = await device('juliet')
      const romeo = await device('romeo')
      const sent = await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account]))
      expect(sent.kind).toBe('encrypted')
      const { deviceId, fingerprint } = juliet.omemo
      await service.finish(juliet.omemo.reset({ keepIdentity }))
      await service.advance(REANNOUNCE_JITTER_MS)
      expect(juliet.omemo.deviceId).not.toBe(deviceId)
      expect(juliet.omemo.fingerprint === fingerprint).toBe(keepIdentity)
      for (const namespace of BOTH) {
        expect(await idsOf(service, namespace)).toEqual([juliet.omemo.deviceId])
        expect(await hasBundle(service, namespace, juliet.omemo.deviceId)).toBe(true)
        expect(await hasBundle(service, namespace, deviceId)).toBe(false)
      }
      expect(await juliet.omemo.keys(romeo.account)).toHaveLength(1)
      const { entries } = await juliet.store.list('omemo/juliet@capulet.example/session/')
      expect(entries).toEqual([])
      const again = await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account]))
      expect(again.kind).toBe('encrypted')
      // The rotation starts over, too.
      expect((await service.finish(juliet.omemo.tick())).nextDue).toEqual(
        new Date(service.clock.now() - REANNOUNCE_JITTER_MS + SIGNED_PRE_KEY_MS),
      )
    },
  )

  test('without a network it is done by the next session', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', fast)
    const { deviceId } = juliet.omemo
    const stop = service.fault({
      fault: { kind: 'error', condition: 'internal-server-error' },
      direction: 'sent',
    })
    await expect(service.finish(juliet.omemo.reset({ keepIdentity: true }))).rejects.toMatchObject({
      name: 'PepError',
    })
    stop()
    expect(await idsOf(service, AXOLOTL)).toEqual([deviceId])
    await service.finish(juliet.omemo.start())
    for (const namespace of BOTH) {
      expect(await idsOf(service, namespace)).toEqual([juliet.omemo.deviceId])
      expect(await hasBundle(service, namespace, deviceId)).toBe(false)
    }
  })
})

describe('devices', () => {
  test('of a contact: where it is listed, what it is called, and its key', async () => {
    const { service, device } = world()
    const juliet = await device('juliet')
    const romeo = await device('romeo', { label: 'Orchard' })
    expect(await juliet.omemo.devices(romeo.account)).toEqual([])
    const refreshed = await service.finish(juliet.omemo.devices(romeo.account, { refresh: true }))
    const ref = { jid: romeo.account, id: romeo.omemo.deviceId }
    expect(refreshed).toEqual([{ device: ref, listed: [OMEMO_2, AXOLOTL], isActive: true, isThis: false }])
    await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account]))
    const [known] = await juliet.omemo.devices(romeo.account)
    expect(known).toMatchObject({
      device: ref,
      label: 'Orchard',
      key: { fingerprint: romeo.omemo.fingerprint },
    })
    // It leaves; what is known of it stays.
    await service.finish(romeo.omemo.erase({ server: true }))
    expect(await service.finish(juliet.omemo.devices(romeo.account, { refresh: true }))).toMatchObject([
      { device: ref, listed: [], isActive: false, key: { fingerprint: romeo.omemo.fingerprint } },
    ])
  })

  test('a label that another key has signed is not shown', async () => {
    const { service, device } = world()
    const juliet = await device('juliet')
    const romeo = await device('romeo')
    await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account]))
    const forged = { id: romeo.omemo.deviceId, label: 'Phone', labelSignature: new Uint8Array(64).fill(1) }
    const { node, encode } = deviceLists[OMEMO_2]
    await publish(romeo.client.connection, node, { id: 'current', payload: encode([forged]) })
    const [known] = await service.finish(juliet.omemo.devices(romeo.account, { refresh: true }))
    expect(known).toMatchObject({ isActive: true, label: undefined })
  })

  test('of the own account: this one among them', async () => {
    const { one, a, b } = await two()
    const own = await one.omemo.devices(one.account)
    expect(own.map(({ device, isThis }) => [device.id, isThis])).toEqual([
      [a, true],
      [b, false],
    ])
    expect(own[0]?.key).toMatchObject({ level: 'verified', own: true, fingerprint: one.omemo.fingerprint })
  })
})

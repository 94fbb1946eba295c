/** Prekeys over time: rotation and its grace, refilling, floods. */

import { type TestService, testService } from '@xmpp-e2e/testkit'
import { beforeAll, describe, expect, test } from 'vitest'
import { change } from '../src/account.ts'
import { nobleCurve, run } from '../src/curve.ts'
import { announce, handlePublishBundle, PUBLISH_BUNDLE, publishBundle } from '../src/device/announcement.ts'
import { maintain, SIGNED_PRE_KEY_MS } from '../src/device/maintenance.ts'
import { fetchOwnBundle } from '../src/device/own-bundle.ts'
import { readPreKeys, supplyPreKeys } from '../src/device/pre-key-supply.ts'
import { upkeepOf } from '../src/device/upkeep.ts'
import { beginCatchUp, endCatchUp } from '../src/message/catch-up.ts'
import {
  type Bundle,
  decryptMessage,
  encodePreKeys,
  encryptMessage,
  generateIdentity,
  initiateSession,
  MIN_PRE_KEYS,
  type Namespace,
  type PreKeys,
  protocols,
  TARGET_PRE_KEYS,
  verifyBundle,
  withInitiated,
} from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { type DeviceAccount, deviceAccount, fastCurve } from './device-account.ts'
import { seeded } from './support.ts'

const BOTH = [OMEMO_2, AXOLOTL] as const
const DAY = 86_400_000

async function announced(curve = fastCurve) {
  const service = testService()
  const juliet = await deviceAccount(service, 'juliet', { curve })
  await service.finish(announce(juliet.account, {}))
  return { service, juliet, account: juliet.account }
}

async function publishedOf({ account }: DeviceAccount, namespace: Namespace): Promise<Bundle> {
  const found = await fetchOwnBundle(account, namespace, account.self.deviceId, {})
  if (found.kind !== 'bundle') throw new Error(found.kind)
  return found.bundle
}

async function preKeysOf({ account }: DeviceAccount, namespace: Namespace): Promise<PreKeys> {
  const [found] = await readPreKeys(account, [namespace])
  return found as PreKeys
}

/** As if a key exchange had used these, and queued what follows. */
const consume = ({ account }: DeviceAccount, namespace: Namespace, keep: (id: number) => boolean) =>
  change(account, [records.preKeys(namespace)], async () => {
    const [preKeys] = (await readPreKeys(account, [namespace])) as [PreKeys]
    const left = { ...preKeys, oneTime: preKeys.oneTime.filter(({ id }) => keep(id)) }
    return {
      put: [[records.preKeys(namespace), encodePreKeys(left)]],
      effects: [publishBundle(namespace)],
      result: undefined,
    }
  })

function publications({ transcript }: TestService): number {
  return transcript.filter(
    (entry) =>
      entry.kind === 'stanza' &&
      entry.direction === 'sent' &&
      JSON.stringify(entry.stanza.children).includes('"publish"'),
  ).length
}

describe('the signed prekey', () => {
  test('is replaced after a week, in both namespaces, and published', async () => {
    const { service, juliet, account } = await announced()
    const before = await publishedOf(juliet, OMEMO_2)
    const start = service.clock.now()
    expect(await maintain(account)).toEqual(new Date(start + SIGNED_PRE_KEY_MS))
    await service.advance(SIGNED_PRE_KEY_MS - 1)
    expect(await maintain(account)).toEqual(new Date(start + SIGNED_PRE_KEY_MS))
    await service.advance(1)
    expect(await maintain(account)).toEqual(new Date(start + 2 * SIGNED_PRE_KEY_MS))
    await service.finish(account.effects.run())
    for (const namespace of BOTH) {
      const { signed, previousSigned } = await preKeysOf(juliet, namespace)
      expect([signed.id, previousSigned?.id]).toEqual([2, 1])
      expect((await publishedOf(juliet, namespace)).signedPreKey.id).toBe(2)
    }
    expect((await publishedOf(juliet, OMEMO_2)).preKeys).toEqual(before.preKeys)
    expect(publications(service)).toBe(6)
  })

  test('a device that slept for months rotates once', async () => {
    const { service, juliet, account } = await announced()
    await service.advance(100 * DAY)
    await maintain(account)
    await maintain(account)
    expect((await preKeysOf(juliet, OMEMO_2)).signed.id).toBe(2)
  })

  test('two tabs rotate once', async () => {
    const { service, juliet, account } = await announced()
    await service.advance(SIGNED_PRE_KEY_MS)
    await Promise.all([maintain(account), maintain(account), maintain(account)])
    expect((await preKeysOf(juliet, OMEMO_2)).signed.id).toBe(2)
  })

  test('a clock that was put back by years does not keep it for years', async () => {
    const { juliet, account } = await announced()
    const early = {
      ...account,
      clock: { ...account.clock, now: () => Date.UTC(2020, 0) },
      adopt: account.adopt,
    }
    await maintain(early)
    expect((await preKeysOf(juliet, OMEMO_2)).signed.id).toBe(2)
    const upkeep = await change(account, [], async (_, reader) => ({ result: await upkeepOf(reader) }))
    expect(upkeep.rotatedAt).toBe(Date.UTC(2020, 0))
  })

  test('while catch-up is open the one before stays, and the rotation waits', async () => {
    const { service, juliet, account } = await announced()
    await service.advance(SIGNED_PRE_KEY_MS)
    await maintain(account)
    await service.advance(SIGNED_PRE_KEY_MS - 1)
    await beginCatchUp(account)
    await service.advance(1)
    const due = await maintain(account)
    expect(due && due.getTime() - service.clock.now()).toBeLessThanOrEqual(DAY)
    expect((await preKeysOf(juliet, AXOLOTL)).previousSigned?.id).toBe(1)
    await endCatchUp(account)
    await maintain(account)
    expect((await preKeysOf(juliet, AXOLOTL)).previousSigned?.id).toBe(2)
  })

  test('nothing is due before there are prekeys', async () => {
    const { account } = await deviceAccount(testService(), 'juliet')
    expect(await maintain(account)).toBeUndefined()
  })
})

describe.each(BOTH)('row 7, %s', (namespace) => {
  const protocol = protocols[namespace]
  const random = seeded('romeo')
  const romeo = { identity: generateIdentity(random), deviceId: 5 }
  const opened: unknown[] = []

  // A key exchange with the first signed prekey, opened after no, one and two rotations.
  beforeAll(async () => {
    const { service, juliet, account } = await announced()
    const real = { ...account, curve: nobleCurve, adopt: account.adopt }
    await change(account, [], () => ({
      delete: [records.preKeys(namespace)],
      result: undefined,
    }))
    await service.finish(supplyPreKeys(real, namespace))
    await service.finish(announce(real, {}))
    const bundle = run(verifyBundle(protocol, await publishedOf(juliet, namespace)))
    const session = run(initiateSession(protocol, romeo, bundle, 0, random))
    const { message } = run(
      encryptMessage(romeo, withInitiated(undefined, session), new Uint8Array(32), { random }),
    )
    for (let rotations = 0; rotations <= 2; rotations++) {
      const preKeys = await preKeysOf(juliet, namespace)
      const arrival = { channel: 'live', sentAt: 0 } as const
      const state = { self: account.self, preKeys, sessions: undefined }
      try {
        opened.push(run(decryptMessage(protocol, state, message.data, arrival)).plaintext.length)
      } catch (error) {
        opened.push((error as { code: string }).code)
      }
      await service.advance(SIGNED_PRE_KEY_MS)
      await maintain(real)
    }
  })

  test('the signed prekey before is good for one more period, the one before that is refused', () => {
    expect(opened).toEqual([32, 32, 'signed-pre-key-unknown'])
  })
})

describe('prekeys that are used', () => {
  test('row 26: the next ones have higher ids, and none comes back', async () => {
    const { service, juliet, account } = await announced()
    const seen = new Map(
      (await preKeysOf(juliet, OMEMO_2)).oneTime.map(({ id, publicKey }) => [id, publicKey]),
    )
    for (let round = 1; round <= 20; round++) {
      await consume(juliet, OMEMO_2, (id) => id % 7 !== round % 7)
      await service.finish(account.effects.run())
      const { oneTime } = await publishedOf(juliet, OMEMO_2).then(({ preKeys }) => ({ oneTime: preKeys }))
      expect(oneTime).toHaveLength(TARGET_PRE_KEYS)
      for (const { id, publicKey } of oneTime) {
        expect(seen.get(id) ?? publicKey).toEqual(publicKey)
        seen.set(id, publicKey)
      }
    }
    const { oneTime, nextId } = await preKeysOf(juliet, OMEMO_2)
    expect(Math.max(...oneTime.map(({ id }) => id))).toBe(nextId - 1)
    expect(oneTime.every(({ id }) => id >= 1)).toBe(true)
  })

  test('two tabs that refill at once: all ids are different', async () => {
    const { service, juliet, account } = await announced()
    await consume(juliet, AXOLOTL, (id) => id > 60)
    await service.finish(Promise.all([supplyPreKeys(account, AXOLOTL), supplyPreKeys(account, AXOLOTL)]))
    const { oneTime, nextId } = await preKeysOf(juliet, AXOLOTL)
    expect([new Set(oneTime.map(({ id }) => id)).size, nextId]).toEqual([TARGET_PRE_KEYS, 161])
  })

  test.each([MIN_PRE_KEYS - 1, 1, 0])('a bundle is never published with %i prekeys left', async (left) => {
    const { service, juliet, account } = await announced()
    await consume(juliet, OMEMO_2, (id) => id <= left)
    await service.finish(account.effects.run())
    for (const entry of service.transcript) {
      if (entry.kind !== 'stanza' || entry.direction !== 'sent') continue
      const written = JSON.stringify(entry.stanza)
      if (written.includes('"bundle"')) expect(written.match(/"pk"|"preKeyPublic"/g)).toHaveLength(100)
    }
    expect((await publishedOf(juliet, OMEMO_2)).preKeys).toHaveLength(TARGET_PRE_KEYS)
  })

  test('row 8: a thousand that are used at once are one publication', async () => {
    const { service, juliet, account } = await announced()
    const before = publications(service)
    for (let i = 0; i < 1000; i++) await consume(juliet, OMEMO_2, (id) => id > i % 50)
    await service.finish(account.effects.run())
    expect(publications(service) - before).toBe(1)
  })

  test('what the queue has not done is done by the next look, once', async () => {
    const { service, juliet, account } = await announced()
    await consume(juliet, OMEMO_2, (id) => id > 10)
    await account.effects.discard(await account.effects.list())
    await service.finish(maintain(account))
    await service.finish(account.effects.run())
    expect((await publishedOf(juliet, OMEMO_2)).preKeys.map(({ id }) => id)[0]).toBe(11)
    await service.finish(maintain(account))
    expect(await account.effects.list()).toEqual([])
  })

  test('before the first announcement nothing is published', async () => {
    const service = testService()
    const { account } = await deviceAccount(service, 'juliet')
    const effect = { ...publishBundle(OMEMO_2), payload: new Uint8Array(0) }
    const times = { queuedAt: new Date(0), dueAt: new Date(0), attempts: 1, parked: false, malformed: false }
    const never = { aborted: false, addEventListener() {}, removeEventListener() {} }
    await handlePublishBundle(account, { ...effect, ...times }, { signal: never, timeoutMs: 1 })
    expect([effect.kind, publications(service)]).toEqual([PUBLISH_BUNDLE, 0])
  })
})

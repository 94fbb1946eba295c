/** A process that ends at any point of an announcement, and the one that comes after it. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { atEveryCrash, type Crash, type TestService, testService } from '@xmpp-e2e/testkit'
import type { Connection } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import type { Account } from '../src/account.ts'
import { publishedBundle } from '../src/bundle.ts'
import { announce } from '../src/device/announcement.ts'
import { fetchList } from '../src/device/device-lists.ts'
import { leave, reset } from '../src/device/device-management.ts'
import { fetchOwnBundle } from '../src/device/own-bundle.ts'
import { readPreKeys } from '../src/device/pre-key-supply.ts'
import { protocols, TARGET_PRE_KEYS } from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { deviceAccount } from './device-account.ts'

const BOTH = [OMEMO_2, AXOLOTL] as const

/** What must hold once an announcement has gone through: found by others, and nothing left over. */
async function expectFound(service: TestService, store: Store): Promise<number> {
  const { account, events } = await deviceAccount(service, 'juliet', { store, resource: 'later' })
  await service.finish(announce(account, {}))
  expect(events.filter(({ kind }) => kind === 'rolled-back' || kind === 'cloned')).toEqual([])
  const stored = await readPreKeys(account, BOTH)
  for (const [i, namespace] of BOTH.entries()) {
    const { devices } = await fetchList(account, account.jid, namespace, {})
    expect(devices.map(({ id }) => id)).toEqual([account.self.deviceId])
    const found = await fetchOwnBundle(account, namespace, account.self.deviceId, {})
    const preKeys = stored[i]
    if (found.kind !== 'bundle' || preKeys === undefined) throw new Error(found.kind)
    expect(found.bundle).toEqual(publishedBundle(protocols[namespace], account.self.identity, preKeys))
    expect(found.bundle.preKeys).toHaveLength(TARGET_PRE_KEYS)
  }
  return account.self.deviceId
}

/** A device that was announced before, in another process. */
async function announced() {
  const service = testService()
  const store = memoryStore()
  const { account } = await deviceAccount(service, 'juliet', { store, resource: 'before' })
  await service.finish(announce(account, {}))
  return { service, store, deviceId: account.self.deviceId }
}

/** Opens the device and does something with it, until the crash. */
async function untilCrash(
  { service, store }: { readonly service: TestService; readonly store: Store },
  crash: Crash,
  work: (account: Account) => Promise<void>,
): Promise<void> {
  const program = async () => {
    const wrapped = crash.wrap(store)
    const connection = (given: Connection) => crash.wrap(given)
    const { account } = await deviceAccount(service, 'juliet', { store: wrapped, connection })
    await work(account)
  }
  await service.finish(crash.run(program).catch(() => {}))
}

test.each(['silent', 'rejecting'] as const)('opening and the first announcement, %s', async (mode) => {
  await atEveryCrash(async (crash) => {
    const scene = { service: testService(), store: memoryStore() }
    await untilCrash(scene, crash, (account) => announce(account, {}))
    await expectFound(scene.service, scene.store)
  }, mode)
})

test('starting over', async () => {
  await atEveryCrash(async (crash) => {
    const scene = await announced()
    await untilCrash(scene, crash, (account) => reset(account, { keepIdentity: true }))
    await expectFound(scene.service, scene.store)
  })
})

test('leaving, and coming back under the same id', async () => {
  await atEveryCrash(async (crash) => {
    const scene = await announced()
    await untilCrash(scene, crash, async (account) => void (await leave(account, {})))
    expect(await expectFound(scene.service, scene.store)).toBe(scene.deviceId)
  })
})

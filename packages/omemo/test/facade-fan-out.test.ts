/** One message for many devices: one commit, nothing wasted by a lost race, no key used twice whatever the store does. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { bare, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { type Curve, run } from '../src/curve.ts'
import {
  encodeContact,
  MAX_DEVICES_PER_ACCOUNT,
  newContact,
  withIdentity,
  withList,
} from '../src/device/contact.ts'
import { encodeDevice } from '../src/device/own-device.ts'
import { fanOut, type Sealed } from '../src/message/fan-out.ts'
import { type Namespace, OMEMO_2, omemo2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { initiateSession } from '../src/session.ts'
import { encodeSessions } from '../src/session-codec.ts'
import { withInitiated } from '../src/session-list.ts'
import { MAX_KEYS } from '../src/stanza/encrypted.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { nodeCurve } from './node-curve.ts'
import { madeUpBundle, publishBundleOf, publishDevices, sent, usedKeys } from './sending-support.ts'
import { device as primitive, verifiedBundle } from './support.ts'
import { chat, type TestDevice, world } from './world.ts'

const curve = nodeCurve
const newer = { curve, namespaces: [OMEMO_2] as const }

/** A store that counts, and whose commits can be made to fail. */
function watched(inner: Store) {
  const counts = { reads: 0, lists: 0, commits: 0 }
  const hooks: {
    before?: () => Promise<'lose' | undefined>
    after?: (keys: readonly string[]) => Promise<void>
  } = {}
  const store: Store = {
    ...inner,
    read(keys) {
      counts.reads++
      return inner.read(keys)
    },
    list(prefix) {
      counts.lists++
      return inner.list(prefix)
    },
    async commit(tokens, batch) {
      counts.commits++
      if ((batch.put?.length ?? 0) > 0 && (await hooks.before?.()) === 'lose') return false
      const done = await inner.commit(tokens, batch)
      if (done && (batch.put?.length ?? 0) > 0) await hooks.after?.((batch.put ?? []).map(([key]) => key))
      return done
    },
  }
  return { store, counts, hooks }
}

/** An account that has a session with so many devices of so many others. */
async function populated(accounts: number, devices: number) {
  const { store, counts, hooks } = watched(memoryStore())
  const account: BareAccount = bareAccount({ store })
  const peer = primitive('peer', 5)
  const session = run(
    initiateSession(omemo2, account.self, verifiedBundle(omemo2, peer), account.time),
    nodeCurve,
  )
  const { current, archived } = encodeSessions(withInitiated(undefined, session))
  const to = Array.from({ length: accounts }, (_, n) => bare(`guest-${n}@capulet.lit`))
  const put: [string, Uint8Array][] = [
    [records.device, encodeDevice(account.self)],
    [
      records.contact(account.jid),
      encodeContact(
        withList(
          withList(newContact(account.jid), OMEMO_2, [], account.time),
          'eu.siacs.conversations.axolotl',
          [],
          account.time,
        ),
      ),
    ],
  ]
  for (const [n, jid] of to.entries()) {
    const ids = Array.from({ length: devices }, (_, i) => ({ id: n * 1000 + i + 1 }))
    let contact = withList(newContact(jid), OMEMO_2, ids, account.time)
    contact = withList(contact, 'eu.siacs.conversations.axolotl', [], account.time)
    for (const { id } of ids) {
      const fingerprint = (n * 1000 + id).toString(16).padStart(64, '0')
      contact = withIdentity(contact, id, { fingerprint }, account.time).contact
      put.push([records.session(OMEMO_2, { jid, id }, fingerprint), current])
      put.push([records.archived(OMEMO_2, { jid, id }, fingerprint), archived])
    }
    put.push([records.contact(jid), encodeContact(contact)])
  }
  await store.commit([], { put })
  Object.assign(counts, { reads: 0, lists: 0, commits: 0 })
  return { account, to, counts, hooks, store }
}

describe('many devices', () => {
  // Below the rooms of the façade, which ask who is there: the fan-out itself.
  const fan = async ({ account, to }: Awaited<ReturnType<typeof populated>>) => {
    const sealed = new Map<Namespace, Sealed>([
      [OMEMO_2, { keyMaterial: new Uint8Array(48), payload: Uint8Array.of(1) }],
    ])
    return fanOut(account, { to, withOwn: true, sealed })
  }

  test('1000 of them: one commit, and as many readings as for ten', async () => {
    const few = await populated(1, 10)
    await fan(few)
    // Keys that are met for the first time cost nothing more.
    const many = await populated(20, 50)
    const outcome = await fan(many)
    if (outcome.kind !== 'encrypted') throw new Error(outcome.code)
    expect(outcome.reached).toHaveLength(1000)
    expect(many.counts).toEqual(few.counts)
    expect(many.counts.commits).toBe(1)
    expect(many.counts.reads).toBeLessThanOrEqual(8)
    const stanza = element('jabber:client', 'message', {}, outcome.elements)
    expect(new Set(usedKeys(stanza)).size).toBe(1000)
  })

  test('more than a stanza may have are refused, and no session has moved', async () => {
    const many = await populated(21, 50)
    const before = await many.store.list('session/')
    const outcome = await fan(many)
    expect(outcome).toMatchObject({ kind: 'refused', code: 'recipients-too-many' })
    expect(many.to.length * 50).toBeGreaterThan(MAX_KEYS)
    expect((await many.store.list('session/')).entries).toEqual(before.entries)
  })

  test.each([
    [MAX_DEVICES_PER_ACCOUNT, 0],
    [MAX_DEVICES_PER_ACCOUNT + 1, 1],
  ])('of %d of one account %d too many', async (count, left) => {
    const outcome = await fan(await populated(1, count))
    if (outcome.kind !== 'encrypted') throw new Error(outcome.code)
    expect(outcome.reached).toHaveLength(MAX_DEVICES_PER_ACCOUNT)
    expect(outcome.skipped.map(({ code }) => code)).toEqual(Array(left).fill('devices-too-many'))
  })
})

/** A device with many made-up devices to write to. */
async function crowd(count: number, options: Parameters<ReturnType<typeof world>['device']>[1] = {}) {
  // Long chains of promises without anything on the network.
  const { service, device } = world({ idle: () => new Promise((done) => setImmediate(done)) })
  const juliet = await device('juliet', { ...newer, ...options })
  const romeo = await device('romeo', { ...newer, isStarted: false })
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  await publishDevices(service, romeo, OMEMO_2, ids)
  for (const id of ids)
    await publishBundleOf(service, romeo, OMEMO_2, id, madeUpBundle(OMEMO_2, `device ${id}`))
  return { service, juliet, romeo, device }
}

const sessionsIn = async ({ store }: Pick<TestDevice, 'store'>) =>
  (await store.list('')).entries.filter(([key]) => key.includes('/session/'))

test('opening many sessions is told, and can be stopped: then nothing was stored', async () => {
  const { service, juliet, romeo } = await crowd(20)
  const progress: unknown[] = []
  const stop = new AbortController()
  juliet.omemo.on((event) => {
    if (event.kind !== 'progress' || event.work !== 'sessions') return
    progress.push([event.done, event.total])
    if (event.done === 16) stop.abort(new Error('enough'))
  })
  const { signal } = stop
  const aborted = juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account], { signal })
  await expect(service.finish(aborted)).rejects.toThrow('enough')
  expect(progress).toEqual([
    [8, 20],
    [16, 20],
  ])
  expect(await sessionsIn(juliet)).toEqual([])
  progress.length = 0
  const outcome = sent(await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account])))
  expect(outcome.reached).toHaveLength(20)
  expect(progress).toEqual([
    [8, 20],
    [16, 20],
    [20, 20],
  ])
})

function counting(inner: Curve): { readonly curve: Curve; readonly counts: { agreed: number } } {
  const counts = { agreed: 0 }
  return {
    counts,
    curve: {
      publicKey: (secret) => inner.publicKey(secret),
      verify: (signature, message, key) => inner.verify(signature, message, key),
      sharedSecret(secret, publicKey) {
        counts.agreed++
        return inner.sharedSecret(secret, publicKey)
      },
    },
  }
}

describe('a store that others write to, or that fails', () => {
  test('a lost race opens no session a second time', async () => {
    const watch = watched(memoryStore())
    const { curve, counts } = counting(nodeCurve)
    const { service, juliet, romeo } = await crowd(3, { store: watch.store, curve })
    counts.agreed = 0
    let lost = 0
    watch.hooks.before = async () => (lost++ < 5 ? 'lose' : undefined)
    const outcome = sent(
      await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account])),
    )
    expect(outcome.reached).toHaveLength(3)
    expect(lost).toBeGreaterThan(5)
    // Four of X3DH and one of the ratchet, for each device.
    expect(counts.agreed).toBe(15)
  })

  test('a session that another tab has opened meanwhile is used', async () => {
    const watch = watched(memoryStore())
    const { service, juliet, romeo, device } = await crowd(1, { store: watch.store })
    const tab = await device('juliet', { ...newer, store: watch.store, isStarted: false })
    const message = chat(romeo.account, 'hi')
    let other: Promise<unknown> | undefined
    const keys: string[] = []
    watch.hooks.before = async () => {
      if (other !== undefined) return undefined
      other = tab.omemo
        .encrypt(message, [romeo.account])
        .then((outcome) => keys.push(...usedKeys(sent(outcome).stanzas[0])))
      await other
      return undefined
    }
    // Lists first, which are a commit of their own.
    await service.finish(
      tab.omemo.encrypt(chat('nobody@capulet.example', 'hi'), [bare('nobody@capulet.example')]),
    )
    other = undefined
    keys.length = 0
    const outcome = sent(await service.finish(juliet.omemo.encrypt(message, [romeo.account])))
    keys.push(...usedKeys(outcome.stanzas[0]))
    expect(keys).toHaveLength(2)
    expect(new Set(keys.map((key) => key.split(' ')[3])).size).toBe(1)
    expect(new Set(keys).size).toBe(2)
    expect(juliet.events.filter(({ kind }) => kind === 'session')).toEqual([])
  })

  test('row 22: a commit that does not say how it ended, and another tab after it, use no key twice', async () => {
    const watch = watched(memoryStore())
    const { service, juliet, romeo, device } = await crowd(1, { store: watch.store })
    const tab = await device('juliet', { ...newer, store: watch.store, isStarted: false })
    const keys: string[] = []
    const send = async ({ omemo }: TestDevice) => {
      const outcome = sent(await omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account]))
      keys.push(...usedKeys(outcome.stanzas[0]))
    }
    let isFailing = true
    watch.hooks.after = async (written) => {
      if (!isFailing || !written.some((key) => key.includes('/session/'))) return
      isFailing = false
      await send(tab)
      throw new Error('the disk did not say')
    }
    for (let n = 0; n < 4; n++) {
      isFailing = true
      await service.finish(send(juliet))
      isFailing = true
      await service.finish(juliet.omemo.replaceSession({ jid: romeo.account, id: 1 }))
      await service.finish(send(juliet))
    }
    expect(keys).toHaveLength(16)
    delete watch.hooks.after
    await service.settle()
    const empty = service.transcript.flatMap((entry) =>
      'stanza' in entry &&
      entry.stanza !== undefined &&
      entry.stanza.name === 'message' &&
      entry.direction === 'sent'
        ? usedKeys(entry.stanza)
        : [],
    )
    expect(empty.length).toBeGreaterThanOrEqual(4)
    expect(new Set([...keys, ...empty]).size).toBe(keys.length + empty.length)
  })

  test('two tabs that send at once use no key twice', async () => {
    const store = memoryStore()
    const { service, juliet, romeo, device } = await crowd(2, { store })
    const tab = await device('juliet', { ...newer, store, isStarted: false })
    const all = Array.from({ length: 30 }, (_, n) =>
      (n % 2 === 0 ? juliet : tab).omemo.encrypt(chat(romeo.account, `${n}`), [romeo.account]),
    )
    const outcomes = await service.finish(Promise.all(all))
    const keys = outcomes.flatMap((outcome) => usedKeys(sent(outcome).stanzas[0]))
    expect(keys).toHaveLength(60)
    expect(new Set(keys).size).toBe(60)
  })
})

/** Row 34 and what a store and a network do: fail, at any call. Nothing is lost, and nothing is thrown but the store's error. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { atEveryCrash, type Crash, type CrashMode } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { type Connection, element } from '@xmpp-e2e/xml'
import { beforeAll, describe, expect, test } from 'vitest'
import { Ox } from '../src/index.ts'
import { received, shown, summary } from './message-support.ts'
import { chat, type TestClient, type World, world } from './world.ts'

let here: World
let juliet: TestClient
let romeo: TestClient
/** Of romeo, who has a key and knows nobody. */
let kept: readonly (readonly [string, Uint8Array])[]

beforeAll(async () => {
  here = world()
  juliet = await here.client('juliet')
  romeo = await here.client('romeo')
  kept = (await romeo.store.list('')).entries
})

async function storeOfRomeo(): Promise<Store> {
  const store = memoryStore()
  await store.commit([], { put: kept })
  return store
}

async function open(store: Store, connection: Connection): Promise<Ox> {
  const { account } = romeo
  const { clock } = here.service
  const random = (length: number) => here.service.random(length)
  return Ox.open({ account, store, connection, clock, random, policy: blindTrustBeforeVerification })
}

async function letter(words: string) {
  const encrypted = await here.finish(juliet.ox.encrypt(chat(romeo.account, words), [romeo.account]))
  if (encrypted.kind !== 'encrypted') throw new Error(encrypted.code)
  const [stanza] = encrypted.stanzas
  return received(
    romeo.account,
    element('jabber:client', 'message', { ...stanza.attrs, from: juliet.account }, stanza.children),
  )
}

/** Whatever is not the failing port's is a defect here. */
function isCrash(error: unknown): boolean {
  const isOne = (one: unknown) =>
    one instanceof Error && (one.message === 'crashed' || one.name === 'StoreError')
  if (!isOne(error)) throw error
  return true
}

describe.each<CrashMode>(['silent', 'rejecting'])('the store is %s from some call on', (mode) => {
  test('while it reads, settles and answers: started again, it does the same', async () => {
    const one = await letter('Hello.')
    const calls = await atEveryCrash(async (crash: Crash) => {
      const store = await storeOfRomeo()
      const { connection } = romeo.client
      const refs: string[] = []
      const answered = await crash
        .run(async () => {
          const ox = await open(crash.wrap(store), connection)
          const found = shown(await here.finish(ox.decrypt(one)))
          await ox.settle([found.ref])
          refs.push(found.ref)
          return here.finish(ox.encrypt(chat(juliet.account, 'Hello, you.'), [juliet.account]))
        })
        .catch(isCrash)
      if (typeof answered === 'object' && answered.kind === 'done')
        expect(answered.value.kind).toBe('encrypted')
      const ox = await open(store, connection)
      const again = await here.finish(ox.decrypt(one))
      // Whatever was not settled is read; what was is not read twice.
      if (refs.length > 0) expect(summary(again)).toBe('silent: duplicate')
      else expect(['message: Hello.', 'silent: duplicate']).toContain(summary(again))
      expect(await ox.keys(juliet.account)).toMatchObject([{ level: 'blind' }])
      const sent = await here.finish(ox.encrypt(chat(juliet.account, 'Hello, you.'), [juliet.account]))
      expect(sent).toMatchObject({ kind: 'encrypted', skipped: [] })
      await ox.close()
    }, mode)
    expect(calls).toBeGreaterThan(10)
  }, 60_000)
})

describe('the network fails', () => {
  const conditions = [
    'remote-server-timeout',
    'forbidden',
    'item-not-found',
    'internal-server-error',
  ] as const

  test.each(conditions)(
    '%s at any request: a code, and the message is read as soon as it works again',
    async (condition) => {
      const one = await letter('Hello.')
      let hits = 1
      for (let nth = 1; hits > 0; nth++) {
        const ox = await open(await storeOfRomeo(), romeo.client.connection)
        const stop = here.service.fault({
          fault: { kind: 'error', condition },
          client: 'romeo',
          direction: 'sent',
          match: ({ name }) => name === 'iq',
          nth,
        })
        const found = await here.finish(ox.decrypt(one))
        const encrypted = await here.finish(ox.encrypt(chat(juliet.account, 'Hello, you.'), [juliet.account]))
        hits = stop.hits
        stop()
        if (found.kind !== 'message')
          expect(summary(found)).toMatch(/^(keys-unavailable|signer-unknown): after-refresh$/)
        if (encrypted.kind === 'refused') expect(encrypted.code).toBe('recipients-unreachable')
        await here.service.advance(60_000)
        expect(summary(await here.finish(ox.decrypt(one)))).toBe('message: Hello.')
        const again = await here.finish(ox.encrypt(chat(juliet.account, 'Hello, you.'), [juliet.account]))
        expect(again).toMatchObject({ kind: 'encrypted', skipped: [] })
        await ox.close()
      }
    },
    60_000,
  )

  test('an answer that never comes costs a minute, and then a code', async () => {
    const one = await letter('Hello.')
    const ox = await open(await storeOfRomeo(), romeo.client.connection)
    const stop = here.service.fault({
      fault: { kind: 'drop' },
      client: 'romeo',
      direction: 'sent',
      match: ({ name }) => name === 'iq',
    })
    expect(summary(await here.finish(ox.decrypt(one)))).toBe('keys-unavailable: after-refresh')
    stop()
    await here.service.advance(60_000)
    expect(summary(await here.finish(ox.decrypt(one)))).toBe('message: Hello.')
    await ox.close()
  })

  test('who stops waiting gets the reason, and others what they wait for', async () => {
    const ox = await open(await storeOfRomeo(), romeo.client.connection)
    const stop = new AbortController()
    const message = chat(juliet.account, 'Hello, you.')
    const [stopped, other] = [
      ox.encrypt(message, [juliet.account], { signal: stop.signal }),
      ox.encrypt(message, [juliet.account]),
    ]
    stop.abort(new Error('enough'))
    await expect(here.finish(stopped)).rejects.toThrow('enough')
    expect((await here.finish(other)).kind).toBe('encrypted')
    await ox.close()
  })

  test('an unlock of the host that fails is its own error', async () => {
    const store = memoryStore()
    const account = here.service.account('nurse')
    const { clock } = here.service
    const { connection } = here.service.connect('nurse')
    const unlock = async () => Promise.reject(new Error('no keychain'))
    const ox = await Ox.open({
      account,
      store,
      connection,
      clock,
      policy: blindTrustBeforeVerification,
      unlock,
    })
    await here.finish(ox.generate({ passphrase: 'x' }))
    ox.lock()
    await expect(here.finish(ox.encrypt(chat(account, 'x'), [account]))).rejects.toThrow('no keychain')
    await ox.close()
  })
})

test('two tabs on one store read, settle and decide at once', async () => {
  const store = await storeOfRomeo()
  const tabs = await Promise.all([1, 2, 3].map(() => open(store, romeo.client.connection)))
  const letters = await Promise.all(['a', 'b', 'c', 'd'].map(letter))
  const read = await here.finish(Promise.all(tabs.flatMap((tab) => letters.map((one) => tab.decrypt(one)))))
  const refs = read.map((found) => shown(found).ref)
  expect(new Set(refs).size).toBe(letters.length)
  const [known] = await tabs[0]!.keys(juliet.account)
  if (known === undefined) throw new Error('no key')
  await here.finish(
    Promise.all([
      ...tabs.map((tab) => tab.settle(refs)),
      ...tabs.map((tab) => tab.decide(known, 'verified', 'compare')),
    ]),
  )
  for (const tab of tabs) {
    for (const one of letters) expect(summary(await here.finish(tab.decrypt(one)))).toBe('silent: duplicate')
    expect(await tab.keys(juliet.account)).toMatchObject([{ level: 'verified' }])
    await tab.close()
  }
})

/** Row 22: a process that dies at any call to its store or its connection, while it sends, and is started again. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { atEveryCrash, type Crash, type CrashMode } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { serialize } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { features, Omemo } from '../src/index.ts'
import { OMEMO_2 } from '../src/protocol.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { sent, usedKeys } from './sending-support.ts'
import { bodyOf, chat, type TestDevice, type World, world } from './world.ts'

/** Opens juliet on a store, behind ports that may die. */
async function open({ service }: World, store: Store, crash?: Crash) {
  const client = service.connect('juliet')
  client.presence({ features: [...features] })
  const { clock } = service
  const connection = crash?.wrap(client.connection) ?? client.connection
  const random = (length: number) => service.random(length)
  const account = service.account('juliet')
  const namespaces = [OMEMO_2] as const
  const omemo = await Omemo.open({
    account,
    connection,
    clock,
    random,
    policy,
    curve,
    namespaces,
    store: crash?.wrap(store) ?? store,
  })
  return { client, connection, omemo }
}

async function readAll({ service }: World, romeo: TestDevice): Promise<readonly string[]> {
  const bodies: string[] = []
  for (const received of romeo.arrived()) {
    const opened = await service.finish(romeo.omemo.decrypt(received))
    if (opened.kind === 'unreadable') throw new Error(JSON.stringify(opened))
    if (opened.kind === 'message') bodies.push(bodyOf(opened.content) ?? '')
  }
  await service.settle()
  return bodies
}

/** What juliet does: first undisturbed, then until it dies. */
interface Story {
  readonly before: readonly string[]
  readonly program: readonly string[]
}

const REPLACE = 'replace'

/** Stores with the keys of the first scenario: making them takes longer than all the rest. */
const made = {
  kept: new Map<string, readonly (readonly [string, Uint8Array])[]>(),
  async store(name: string): Promise<Store> {
    const store = memoryStore()
    await store.commit([], { put: made.kept.get(name) ?? [] })
    return store
  },
  async keep(name: string, store: Store): Promise<void> {
    if (!made.kept.has(name)) made.kept.set(name, (await store.list('')).entries)
  },
}

function scenario({ before, program }: Story, mode: CrashMode) {
  return async (crash: Crash): Promise<void> => {
    const here = world()
    const { service } = here
    const romeo = await here.device('romeo', {
      curve,
      namespaces: [OMEMO_2],
      store: await made.store('romeo'),
    })
    await made.keep('romeo', romeo.store)
    const { account } = romeo
    const store = await made.store('juliet')
    const keys: string[] = []
    const does = async (
      { omemo, connection }: Awaited<ReturnType<typeof open>>,
      steps: readonly string[],
    ) => {
      for (const step of steps) {
        if (step === REPLACE) {
          await omemo.replaceSession({ jid: account, id: romeo.omemo.deviceId })
          continue
        }
        const { stanzas } = sent(await omemo.encrypt(chat(account, step), [account]))
        keys.push(...usedKeys(stanzas[0]))
        await connection.send(stanzas[0])
      }
    }
    const first = await open(here, store)
    await made.keep('juliet', store)
    await service.finish(does(first, before))
    await first.omemo.close()
    const bodies = [...(await readAll(here, romeo))]
    const ended = crash.run(async () => {
      const dying = await open(here, store, crash)
      await does(dying, program)
    })
    await service.finish(
      ended.catch((error: unknown) => {
        if (mode === 'silent') throw error
      }),
    )
    await service.settle()
    bodies.push(...(await readAll(here, romeo)))

    const again = await open(here, store)
    await service.finish(again.omemo.tick())
    for (const text of ['four', 'five']) {
      await service.finish(does(again, [text]))
      await service.settle()
      bodies.push(...(await readAll(here, romeo)))
    }
    expect(bodies).toEqual(['one', 'two', 'three', 'four', 'five'].filter((text) => bodies.includes(text)))
    expect(bodies).toEqual(expect.arrayContaining([...before, 'four', 'five']))
    // Every key, of what was given back and of what was sent from the queue, once for each stanza.
    const wire = new Map<string, string>()
    for (const entry of service.transcript) {
      if (entry.kind !== 'stanza' || entry.direction !== 'sent' || !entry.client.startsWith('juliet@'))
        continue
      const written = serialize(entry.stanza)
      for (const key of usedKeys(entry.stanza)) {
        expect(wire.get(key) ?? written).toBe(written)
        wire.set(key, written)
      }
    }
    expect(new Set(keys).size).toBe(keys.length)
  }
}

describe.each(['silent', 'rejecting'] as const)('%s', (mode) => {
  test.each<[string, Story]>([
    ['the first messages', { before: [], program: ['one', 'two'] }],
    ['a session is replaced', { before: ['one', 'two'], program: [REPLACE, 'three'] }],
  ])(
    '%s: no key is used twice, and the next message is read',
    async (_, story) => {
      expect(await atEveryCrash(scenario(story, mode), mode)).toBeGreaterThan(20)
    },
    120_000,
  )
})

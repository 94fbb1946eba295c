/** Bad luck while an archive is read: what was not opened must be read again. */
import { memoryStore, type Store, StoreError } from '@xmpp-e2e/store'
import { bare, type Connection } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import type { Arrived } from '../src/index.ts'
import { bodyOf, chat, type TestDevice, type World, world } from './world.ts'

const COUNT = 6
const idle = () => new Promise((done) => setImmediate(done))

/** Juliet was away while romeo wrote; she is back, and has read nothing yet. */
async function away(w: World, options: { readonly store?: Store } = {}) {
  const { service, device } = w
  const juliet = await device('juliet', { resource: 'balcony', ...options })
  const romeo = await device('romeo', { resource: 'orchard' })
  await service.finish(juliet.omemo.catchUp())
  juliet.client.close()
  await service.settle()
  for (let i = 0; i < COUNT; i++)
    await service.finish(romeo.omemo.send(chat(juliet.account, `${i}`), [juliet.account]))
  await service.settle()
  juliet.client.reconnect()
  await service.settle()
  return { juliet, romeo }
}

const all = Array.from({ length: COUNT }, (_, i) => `${i}`)

function hear(words: string[], arrived: Arrived): void {
  words.push(arrived.kind === 'message' ? (bodyOf(arrived.content) ?? '') : arrived.code)
}

/** Reads on with another façade on the same store. */
async function later(w: World, { store, client }: TestDevice): Promise<readonly string[]> {
  const words: string[] = []
  const again = await w.device('juliet', { resource: 'balcony-again', store })
  client.close()
  again.omemo.listen((arrived) => hear(words, arrived))
  await w.service.finish(again.omemo.catchUp())
  await w.service.settle()
  return words
}

describe('what an archive had, and was not opened, is read the next time', () => {
  test('closed while the first message is handled', async () => {
    const w = world({ idle })
    const { juliet } = await away(w)
    const words: string[] = []
    juliet.omemo.listen((arrived) => {
      hear(words, arrived)
      if (words.length === 1) void juliet.omemo.close()
    })
    await w.service.finish(juliet.omemo.catchUp().catch(() => {}))
    expect(words).toEqual(['0'])
    expect([...new Set([...words, ...(await later(w, juliet))])]).toEqual(all)
  })

  test('who listened has stopped', async () => {
    const w = world({ idle })
    const { juliet } = await away(w)
    const words: string[] = []
    const stop = juliet.omemo.listen((arrived) => {
      hear(words, arrived)
      if (words.length === 1) stop()
    })
    await w.service.finish(juliet.omemo.catchUp().catch(() => {}))
    expect([...new Set([...words, ...(await later(w, juliet))])]).toEqual(all)
  })

  test('nobody listens', async () => {
    const w = world({ idle })
    const { juliet } = await away(w)
    await w.service.finish(juliet.omemo.catchUp().catch(() => {}))
    expect(await later(w, juliet)).toEqual(all)
  })

  test('the store fails for one of them', async () => {
    const w = world({ idle })
    const store = memoryStore()
    let fails = 0
    const failing: Store = {
      read: (keys) => store.read(keys),
      list: (prefix) => store.list(prefix),
      async commit(tokens, batch) {
        if (fails > 0 && batch.put?.some(([key]) => key.includes('/kept/'))) {
          fails--
          throw new StoreError('conflict', 'the disk is full')
        }
        return store.commit(tokens, batch)
      },
    }
    const { juliet } = await away(w, { store: failing })
    const words: string[] = []
    juliet.omemo.listen((arrived) => hear(words, arrived))
    const reported: unknown[] = []
    const onError = (error: unknown) => void reported.push(error)
    process.on('unhandledRejection', onError)
    fails = 3
    await w.service.finish(juliet.omemo.catchUp().catch(() => {}))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', onError)
    expect(words.length).toBeLessThan(COUNT)
    await w.service.finish(juliet.omemo.catchUp())
    expect([...words].sort()).toEqual(all)
  })
})

test('an archive whose pages never end is not read for ever', async () => {
  const w = world({ idle })
  const { juliet } = await away(w)
  const { connection } = juliet.client
  expect(bare(juliet.account)).toBe(juliet.account)
  let asked = 0
  const endless: Connection = {
    ...connection,
    get jid() {
      return connection.jid
    },
    request: async (iq, options) => {
      if (!JSON.stringify(iq).includes('urn:xmpp:mam:2')) return connection.request(iq, options)
      if (++asked > 100) throw new Error('for ever')
      const answer = await connection.request(iq, options)
      return JSON.parse(JSON.stringify(answer).replace('"complete":"true"', '"complete":"false"'))
    },
  }
  const again = await w.device('juliet', { resource: 'endless', store: juliet.store, connection: endless })
  const words: string[] = []
  again.omemo.listen((arrived) => hear(words, arrived))
  await w.service.finish(again.omemo.catchUp())
  expect(words).toEqual(all)
  expect(asked).toBeLessThan(10)
})

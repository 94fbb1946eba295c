/** XEP-0373 §4.2: two clients of one account add their keys to one list at the same time. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import type { Element } from '@xmpp-e2e/xml'
import { expect } from 'vitest'
import { KEY_LIST_NODE } from '../src/elements/key-list.ts'
import { ANNOUNCE_JITTER_MS } from '../src/index.ts'
import { peer, requestOf } from './keys.ts'
import { world } from './world.ts'

/** How often a client may look at the list again, and wait, before all is quiet. */
const ROUNDS = 5

async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore()
  await copy.commit([], { put: (await store.list('')).entries })
  return copy
}

const stores = await (async () => {
  const { client } = world()
  const made = [await client('juliet', { isStarted: false }), await client('juliet', { isStarted: false })]
  return made.map(({ store, ox }) => ({ store, fingerprint: ox.fingerprint as string }))
})()

function isListWrite(stanza: Element): boolean {
  const request = requestOf(stanza)
  return request?.what === 'publish' && request.node === KEY_LIST_NODE
}

/** @returns in how many runs one has had to write again */
export async function announceAtOnce(runs: number): Promise<number> {
  let conflicts = 0
  for (let seed = 0; seed < runs; seed++) conflicts += (await runOf(seed)) > stores.length ? 1 : 0
  return conflicts
}

/** How often the list was written. */
async function runOf(seed: number): Promise<number> {
  const w = world({ seed })
  // What is under way for longer is overtaken by what the other client does.
  for (const ms of [1, 2, 3, 5])
    w.service.fault({ fault: { kind: 'delay', ms }, probability: 0.2, match: (el) => el.name === 'iq' })
  const clients = []
  for (const { store } of stores)
    clients.push(await w.client('juliet', { store: await copyOf(store), isStarted: false, hasKey: false }))
  await w.finish(Promise.all(clients.map(({ ox }) => ox.start())))
  await w.settle()
  for (let round = 0; round < ROUNDS; round++) {
    await w.service.advance(ANNOUNCE_JITTER_MS)
    await w.settle()
  }
  const listed = await peer(w, 'romeo').listed(w.service.account('juliet'))
  expect([...listed].sort(), `seed ${seed}`).toEqual(stores.map(({ fingerprint }) => fingerprint).sort())
  for (const { ox } of clients) await w.finish(ox.close())
  const { transcript } = w.service
  return transcript.filter(
    (entry) => entry.kind === 'stanza' && entry.direction === 'sent' && isListWrite(entry.stanza),
  ).length
}

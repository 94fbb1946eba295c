/**
 * What a page, or a worker with the same script, does with `indexeddbStore` for `test/store-indexeddb.test.ts`, which
 * calls the functions of `storePage`.
 */

import { type Store, update } from '@xmpp-e2e/store'
import { conformance } from '@xmpp-e2e/store/conformance'
import { encrypted } from '@xmpp-e2e/store/encrypted'
import { type IndexeddbStore, indexeddbStore } from '@xmpp-e2e/store/indexeddb'
import { type End, journal, type Letter, place, receive, send } from '../../src/ratchet.ts'
import { type Line, remote, serve } from './peer.ts'

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
const open = (name: string, receipt?: string): Promise<IndexeddbStore> =>
  indexeddbStore({ name, receipt, random, storage: navigator.storage })

/** How something ended, as it can travel to a test: `fulfilled`, the code of an error, or else its name. */
const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fulfilled',
    // Those of the browser have codes too, which are numbers of old.
    (error) => String(error instanceof DOMException ? error.name : (error.code ?? error.name)),
  )

const lines: Record<'page' | 'worker', () => Line> = {
  page: () => new BroadcastChannel('store'),
  worker: () => new Worker('/page.js', { type: 'module' }),
}

/** What went wrong where nobody was looking. */
const unhandled: string[] = []
addEventListener('unhandledrejection', ({ reason }) => {
  unhandled.push(String(reason))
})

/** The store of the calls that name none, and the same with its values sealed. */
let held: IndexeddbStore
let sealed: Store

const storePage = {
  unhandled: () => unhandled,

  /** Answers the calls of another page. */
  serve: () => serve(lines.page(), open),

  /** Runs the conformance kit; what is changed behind a store's back is changed by a worker or another page. */
  async kit(behind: 'page' | 'worker') {
    const other = remote(lines[behind]())
    const names = new Map<Store, string>()
    const opened = async (name: string, receipt?: string): Promise<IndexeddbStore> => {
      const store = await open(name, receipt)
      names.set(store, name)
      return store
    }
    const checks = conformance<Store>({
      open: () => opened(crypto.randomUUID()),
      peer: (store) => other(names.get(store)!),
      reopen(store) {
        const { close, receipt } = store as IndexeddbStore
        close()
        return opened(names.get(store)!, receipt)
      },
    })
    const failed: string[] = []
    for (const { name, run } of checks) await run().catch((error) => failed.push(`${name}: ${error}`))
    return { ran: checks.length, failed }
  },

  /** Opens what the calls below are about. */
  async open(name: string, receipt?: string) {
    held = await open(name, receipt)
    return { receipt: held.receipt, isPersisted: await held.persisted }
  },
  close: () => held.close(),
  committing: (tokens: readonly string[]) => outcome(held.commit(tokens, {})),
  opening: (name: string, receipt?: string) => outcome(open(name, receipt)),
  reading: () => outcome(held.read(['a'])),
  listing: () => outcome(held.list('')),
  /** So many records of 64 KiB that cannot be compressed. */
  writing: (records: number) =>
    outcome(
      held.commit([], {
        put: Array.from({ length: records }, (_, i) => [`fill/${i}`, random(65_536)] as const),
      }),
    ),
  keys: async () => (await held.list('')).entries.map(([key]) => key),

  /** When so many pages have come, takes the next number of a counter so many times, and says which. */
  async count(times: number, pages: number) {
    await held.commit([], { put: [[`here/${random(4)}`, new Uint8Array()]] })
    while ((await held.list('here/')).entries.length < pages);
    const taken: number[] = []
    while (taken.length < times) {
      // A page in the background is slower, and may lose every race of an update to one that never pauses.
      const number = await next(held).catch((error) => {
        if (error.code !== 'conflict') throw error
      })
      if (number !== undefined) taken.push(number)
    }
    return taken
  },

  /** One end of a ratchet session, in sealed records: what resolves was committed. */
  async openSealed(name: string, key: readonly number[], receipt?: string) {
    held = await open(name, receipt)
    sealed = await encrypted(held, Uint8Array.from(key), { random })
    return held.receipt
  },
  place: (end: End) => place(sealed, end),
  send: (body: string) => send(sealed, body),
  receive: (id: string, letter: Letter) => receive(sealed, id, letter),
  journal: () => journal(sealed),

  /** Bytes of the whole origin. */
  usage: async () => (await navigator.storage.estimate()).usage ?? 0,
  databases: async () => (await indexedDB.databases()).map(({ name }) => name),
  delete: (name: string) => settled(indexedDB.deleteDatabase(name)),
  /** As a later version of the package would. */
  async upgrade(name: string) {
    const request = indexedDB.open(name, 1000)
    const outcome = await settled(request)
    request.result.close()
    return outcome
  },
  /** Deletes what is in it, behind the back of those who have it open. */
  async empty(name: string) {
    const request = indexedDB.open(name)
    await settled(request)
    const transaction = request.result.transaction(['values', 'log', 'meta'], 'readwrite')
    for (const store of transaction.objectStoreNames) transaction.objectStore(store).clear()
    await new Promise((resolve) => transaction.addEventListener('complete', resolve))
    request.result.close()
  },

  /** How a commit of two records ends whose second cannot even be asked for, and what is there then. */
  async tearing() {
    const value = Uint8Array.of(1)
    await held.commit([], { put: [['torn/a', value]], delete: ['torn/b'] })
    const [seen] = await held.read(['torn/a'])
    const { put } = IDBObjectStore.prototype
    let puts = 0
    IDBObjectStore.prototype.put = function (...given) {
      if (++puts === 2) throw new DOMException('no memory', 'DataCloneError')
      return put.apply(this, given)
    }
    const batch = { put: [['torn/a', Uint8Array.of(2)] as const, ['torn/b', value] as const] }
    const ended = await outcome(held.commit([seen!.token], batch))
    IDBObjectStore.prototype.put = put
    const { entries } = await held.list('torn/')
    const isCurrent = await held.commit([seen!.token], {})
    return { ended, entries: entries.map(([key, value]) => [key, ...value]), isCurrent }
  },
  /** A database of something else: without stores, or with records of its own. */
  async foreign(name: string, stores: readonly string[]) {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      for (const store of stores) request.result.createObjectStore(store).put({ mine: true }, 'store')
    }
    await settled(request)
    request.result.close()
  },

  /** Whether what was read before so many changes of other keys is still known to hold. */
  async remembers(changes: number) {
    const [reading] = await held.read(['a'])
    const put = Array.from({ length: changes }, (_, i) => [`other/${i}`, Uint8Array.of(1)] as const)
    await held.commit([], { put })
    return held.commit([reading!.token], {})
  },

  /** The transactions that one commit of so many records makes, as they are when it resolves. */
  async transactions(records: number) {
    const made: IDBTransaction[] = []
    const complete = new Set<EventTarget | null>()
    const { transaction } = IDBDatabase.prototype
    IDBDatabase.prototype.transaction = function (...given) {
      const one = transaction.apply(this, given)
      one.addEventListener('complete', ({ target }) => complete.add(target))
      made.push(one)
      return one
    }
    const put = Array.from({ length: records }, (_, i) => [`many/${i}`, Uint8Array.of(1)] as const)
    await held.commit([], { put })
    IDBDatabase.prototype.transaction = transaction
    return made.map((one) => ({ mode: one.mode, durability: one.durability, isComplete: complete.has(one) }))
  },
}

export type StorePage = typeof storePage

if (typeof document === 'object') Object.assign(globalThis, { storePage })
// A worker's own scope is its line.
else
  serve(
    {
      postMessage: (message) => self.postMessage(message),
      addEventListener: (type, f) => self.addEventListener(type, f),
    },
    open,
  )

/** Adds one to the counter, and says what it is then. */
function next(store: Store): Promise<number> {
  return update(store, ['counter'], ([last]) => {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, number(last) + 1)
    return { put: [['counter', bytes]], result: number(bytes) }
  })
}

function number(bytes: Uint8Array | undefined): number {
  return bytes ? new DataView(bytes.buffer).getUint32(bytes.byteOffset) : 0
}

function settled(request: IDBOpenDBRequest): Promise<'done' | 'blocked' | 'failed'> {
  return new Promise((resolve) => {
    request.onsuccess = () => resolve('done')
    request.onblocked = () => resolve('blocked')
    request.onerror = () => resolve('failed')
  })
}

/** Clients with the façade, and a network between them that delivers when it is told to. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import {
  bare,
  type Connection,
  type Element,
  element,
  elements,
  type Listener,
  type Received,
  receive,
  text,
} from '@xmpp-e2e/xml'
import { type Decrypted, Otr, type OtrEvent, type OtrOptions } from '../src/index.ts'
import { encodeDevice } from '../src/record.ts'
import { keyOf } from './sides.ts'
import { seeded } from './support.ts'

export interface TestClient {
  readonly jid: string
  readonly store: Store
  readonly otr: Otr
  readonly events: OtrEvent[]
  /** What came of everything that was delivered. */
  readonly decrypted: Decrypted[]
  /** What went out, from the beginning. */
  readonly sent: Element[]
  /** Texts that were read, encrypted. */
  read(): readonly string[]
  /** Tells of the stream. */
  session(state: 'new' | 'resumed' | 'lost'): void
  /** A stanza that comes from the server. */
  get(stanza: Element): void
}

export interface ClientOptions extends Partial<Omit<OtrOptions, 'account' | 'connection'>> {
  /** Which key; another for each number. */
  readonly seed?: number
  /** Keys are given unless this says to make one. */
  readonly makesKey?: boolean
  /** It listens by itself. */
  readonly listens?: boolean
}

/** Timers end when time is moved; those of no length soon. */
export function testClock() {
  let now = Date.UTC(2026, 0)
  const timers = new Map<object, { readonly at: number; readonly f: () => void }>()
  return {
    now: () => now,
    after(ms: number, f: () => void) {
      if (ms === 0) {
        setImmediate(f)
        return () => {}
      }
      const timer = {}
      timers.set(timer, { at: now + ms, f })
      return () => void timers.delete(timer)
    },
    pass(ms: number) {
      now += ms
      for (const [timer, { at, f }] of [...timers])
        if (at <= now) {
          timers.delete(timer)
          f()
        }
    },
    waiting: () => timers.size,
  }
}

export function network() {
  const clock = testClock()
  const clients = new Map<
    string,
    { readonly connection: Connection; deliver(stanza: Element): Promise<void> }
  >()
  const queue: (readonly [string, Element])[] = []

  async function client(jid: string, options: ClientOptions = {}): Promise<TestClient> {
    const { seed = clients.size + 1, makesKey = false, listens = false, ...given } = options
    const account = bare(jid)
    const store = given.store ?? memoryStore()
    const listeners = new Set<Listener>()
    const sent: Element[] = []
    let isOnline = true
    const connection: Connection = {
      get jid() {
        return isOnline ? jid : undefined
      },
      async send(stanza) {
        if (!isOnline) throw new Error('offline')
        sent.push(stanza)
        queue.push([jid, stanza])
      },
      request: () => Promise.reject(new Error('no requests')),
      subscribe(listener) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      answer: () => () => {},
    }
    const name = `otr/${account}/device`
    const [stored] = await store.read([name])
    if (!makesKey && stored?.value === undefined)
      await store.commit([], {
        put: [[name, encodeDevice({ tag: 0x100 + seed, key: keyOf(seed) }, account)]],
      })
    const otr = await Otr.open({
      policy: blindTrustBeforeVerification,
      random: seeded(seed),
      ...given,
      account,
      connection,
      store,
      clock,
    })
    const events: OtrEvent[] = []
    otr.on((event) => events.push(event))
    const decrypted: Decrypted[] = []
    clients.set(jid, {
      connection,
      async deliver(stanza) {
        for (const listener of [...listeners]) listener.stanza?.(stanza)
        if (listens || !otr.claims(stanza)) return
        const received = receive(stanza, { account })
        if (received.kind === 'message') decrypted.push(await otr.decrypt(received))
      },
    })
    return {
      jid,
      store,
      otr,
      events,
      decrypted,
      sent,
      read: () =>
        decrypted.flatMap((one) =>
          one.kind === 'message' ? [text(elements(one.stanza)[0] as Element)] : [],
        ),
      session(state) {
        isOnline = state !== 'lost'
        for (const listener of [...listeners]) listener.session?.(state)
      },
      get: (stanza) => {
        for (const listener of [...listeners]) listener.stanza?.(stanza)
      },
    }
  }

  return {
    clock,
    client,
    /** Not yet delivered. */
    queue,
    /** Goes away without a word. */
    drop: (jid: string) => void clients.delete(jid),
    /** Delivers until nobody has anything to say. To a bare JID: to all of its clients. */
    async settle(): Promise<void> {
      for (let quiet = 0; quiet < 3; ) {
        const next = queue.shift()
        if (next === undefined) {
          quiet++
          await new Promise<void>((resolve) => void setImmediate(resolve))
          continue
        }
        quiet = 0
        const [from, stanza] = next
        const { to = '' } = stanza.attrs
        const stamped = element(stanza.ns, stanza.name, { ...stanza.attrs, from }, stanza.children)
        for (const [jid, { deliver }] of [...clients])
          if (jid === to || bare(jid) === to) await deliver(stamped)
      }
    },
  }
}

export function chat(to: string, body: string, more: readonly Element[] = []): Element {
  return element('jabber:client', 'message', { to, type: 'chat', id: body }, [
    element('jabber:client', 'body', {}, body),
    ...more,
  ])
}

/** As if it came in. */
export function received(stanza: Element, account: string): Received {
  const found = receive(stanza, { account: bare(account) })
  if (found.kind !== 'message') throw new Error(found.kind)
  return found
}

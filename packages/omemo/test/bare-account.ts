/** An account without façade and network, for what only needs a store. */
import { effectQueue, memoryStore, type Store } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification, type Policy } from '@xmpp-e2e/trust'
import { type BareJid, bare, type Connection, closing } from '@xmpp-e2e/xml'
import type { Account } from '../src/account.ts'
import { nobleCurve } from '../src/curve.ts'
import { fingerprint, generateIdentity } from '../src/identity-key.ts'
import type { OmemoEvent } from '../src/index.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { seeded } from './support.ts'

export interface BareAccount extends Account {
  readonly events: OmemoEvent[]
  /** Milliseconds of its clock. */
  time: number
}

const offline: Connection = {
  jid: undefined,
  send: () => Promise.reject(new Error('offline')),
  request: () => Promise.reject(new Error('offline')),
  subscribe: () => () => {},
  answer: () => () => {},
}

export interface BareOptions {
  readonly jid?: BareJid
  readonly policy?: Policy
  readonly store?: Store
  readonly seed?: string
}

export function bareAccount(options: BareOptions = {}): BareAccount {
  const { jid = bare('juliet@capulet.lit'), policy = blindTrustBeforeVerification } = options
  const { store = memoryStore(), seed = jid } = options
  const random = seeded(seed)
  const identity = generateIdentity(random)
  const events: OmemoEvent[] = []
  let time = Date.UTC(2026, 0, 1)
  const clock = {
    now: () => time,
    after(_ms: number, f: () => void) {
      queueMicrotask(f)
      return () => {}
    },
  }
  return {
    jid,
    isStored: false,
    store,
    policy,
    random,
    clock,
    connection: offline,
    curve: nobleCurve,
    namespaces: [OMEMO_2, AXOLOTL],
    self: {
      identity,
      deviceId: 1,
      fingerprint: fingerprint(identity),
      createdAt: time,
      label: undefined,
      announced: true,
    },
    expose: () => false,
    effects: effectQueue({ store, clock, random, handle: async () => {} }),
    closing: closing('omemo').signal,
    adopt() {},
    emit: (event) => void events.push(event),
    kick() {},
    events,
    get time() {
      return time
    },
    set time(value) {
      time = value
    },
  }
}

/** The whole: an XMPP service in memory, its clients, its network and its time. */

import { type BareJid, type Bytes, bareJid, type Element, jid } from '@xmpp-e2e/xml'
import { type Client, newClient } from './client.ts'
import { type Clock, virtualClock } from './clock.ts'
import { delivery, MAX_DELIVERIES } from './delivery.ts'
import { streamFeatures } from './disco.ts'
import { route } from './dispatch.ts'
import { TestkitError } from './error.ts'
import { type FaultRule, type FaultStop, faults } from './fault.ts'
import { network } from './network.ts'
import { modern, type Quirks } from './quirks.ts'
import { seeded } from './random.ts'
import { newRoom, type RoomConfig } from './room.ts'
import { setAffiliation } from './room-admin.ts'
import { configureRoom } from './room-owner.ts'
import { type Account, mucDomain, newAccount, type Server, type Session } from './server.ts'
import { change } from './subscription.ts'
import type { Entry } from './transcript.ts'

/**
 * Milliseconds of the clock for which `finish` waits: an hour. Requests take a minute and lost sessions five, so what
 * takes longer is a timer that is set again and again.
 */
export const FINISH_MS = 3_600_000

export interface ServiceOptions {
  /** Decides whatever is not determined otherwise. 0 unless given. */
  readonly seed?: number | string
  /** `capulet.example` unless given. Accounts at other domains may be made as well. */
  readonly domain?: string
  readonly quirks?: Quirks
  /** Milliseconds since 1970; the first second of 2030 unless given. */
  readonly now?: number
  /**
   * How to wait for clients that wait for more than promises, WebCrypto for one:
   * `() => new Promise((done) => setImmediate(done))`. Their order is then no longer determined by the seed alone.
   */
  readonly idle?: () => Promise<unknown>
  /** How many stanzas may follow each other without a rest; `MAX_DELIVERIES` unless given. */
  readonly maxDeliveries?: number
}

export interface RoomOptions extends Partial<RoomConfig> {
  readonly owners?: readonly string[]
  readonly admins?: readonly string[]
  readonly members?: readonly string[]
  readonly outcasts?: readonly string[]
}

export interface TestService {
  readonly domain: string
  readonly clock: Clock
  /** What went over the wires, in order of arrival. */
  readonly transcript: readonly Entry[]
  /** Bytes that the seed decides, for whatever takes a source of randomness. */
  random(length: number): Bytes
  /** The JID of an account, which is made on first use; `juliet` is at the service's domain. */
  account(name: string): BareJid
  /**
   * A client with a bound session, which has not sent presence yet. Another client of the same resource loses its
   * session to it (RFC 6120 §7.7.2.2, `conflict`): that is how to start a client anew.
   */
  connect(name: string, options?: { readonly resource?: string }): Client
  /**
   * The JID of a room, which is made on first use, persistent unless told otherwise, and configured as given. It has no
   * owner unless one is named.
   */
  room(name: string, options?: RoomOptions): BareJid
  /** Lets both accounts see each other's presence, as if each had asked and been granted. */
  subscribeBoth(one: string, other: string): void
  /**
   * Waits until nothing is under way.
   *
   * @throws {TestkitError}
   */
  settle(): Promise<void>
  /** Moves the clock, and waits until nothing is under way whenever a timer has called; errors as of `settle`. */
  advance(ms: number): Promise<void>
  /**
   * Waits for a promise of the code under test; whenever nothing is under way, moves the clock to the next timer. For
   * what ends only after a while, and for tests that would rather fail than stand still.
   *
   * @throws {TestkitError} `unfinished`, when there is no timer, or none in `FINISH_MS`; else as of `settle`
   */
  finish<T>(promise: PromiseLike<T>): Promise<T>
  /**
   * Makes something go wrong; returns how to stop, and how often it did.
   *
   * @throws {TypeError} on a kind, condition or client that cannot be, and on what is missing
   * @throws {RangeError} on a number that makes no sense
   */
  fault(rule: FaultRule): FaultStop
}

export function testService(options: ServiceOptions = {}): TestService {
  const {
    seed = 0,
    domain = 'capulet.example',
    quirks = modern,
    idle,
    maxDeliveries = MAX_DELIVERIES,
  } = options
  if (!(Number.isSafeInteger(maxDeliveries) && maxDeliveries > 0))
    throw new RangeError('maxDeliveries: expected a positive integer')
  if (bareJid.decode(`a@${domain}`) !== `a@${domain}`)
    throw new TypeError('domain: expected a canonical domain')
  const source = (use: string) => seeded(`${typeof seed} ${seed} ${use}`)
  const clock = virtualClock(options.now ?? Date.UTC(2030, 0))
  const transcript: Entry[] = []
  const ids = source('ids')
  const own = source('random')
  const rules = faults(source('faults'))
  let count = 0
  const pump = delivery({
    random: source('order'),
    idle,
    maxDeliveries,
    onIdle: () => net.release(),
    onRestless: () => net.cut(),
  })
  const server: Server = {
    domain,
    domains: new Set([domain]),
    quirks,
    clock,
    accounts: new Map(),
    rooms: new Map(),
    caps: new Map(),
    asked: new Map(),
    newId: () => `${(ids.next() >>> 0).toString(36)}-${(count++).toString(36)}`,
    transmit: (session: Session, stanza: Element) => net.transmit(session, stanza),
    route: (stanza, sender) => route(server, stanza, sender),
  }
  const net = network({ server, delivery: pump, faults: rules, log: (entry) => transcript.push(entry) })
  const features = streamFeatures()
  let clients = 0

  const accountJid = (name: string): BareJid => {
    const found = bareJid.decode(name.includes('@') ? name : `${name}@${domain}`)
    if (found === undefined) throw new TypeError('account: expected a localpart or a bare JID')
    return found
  }
  const accountOf = (name: string): Account => {
    const found = accountJid(name)
    const known = server.accounts.get(found)
    if (known) return known
    const account = newAccount(found)
    server.accounts.set(found, account)
    server.domains.add(found.slice(found.indexOf('@') + 1))
    return account
  }

  // All clients of an account, or one of them, which need not be there yet.
  const clientOf = (name: string): string => {
    const [local = '', ...resource] = name.split('/')
    const found = jid.decode([accountJid(local), ...resource].join('/'))
    if (found === undefined) throw new TypeError('client: expected an account and a resource')
    return found
  }
  const roomJid = (name: string): BareJid => {
    const found = bareJid.decode(name.includes('@') ? name : `${name}@${mucDomain({ domain })}`)
    if (found === undefined || !found.endsWith(`@${mucDomain({ domain })}`))
      throw new TypeError('room: expected a localpart or the JID of a room of this service')
    return found
  }

  return {
    domain,
    clock,
    transcript,
    random: (length) => own.bytes(length),
    account: (name) => accountOf(name).jid,
    connect(name, { resource } = {}) {
      const account = accountOf(name)
      const number = ++clients
      const full = jid.decode(`${account.jid}/${resource ?? `client-${number}`}`)
      if (full === undefined) throw new TypeError('resource: cannot be part of a JID')
      const random = source(`client ${number}`)
      return net.connect(account, full as Session['jid'], (link) =>
        newClient({ link, random, clock, streamFeatures: features, roomJid, failed: pump.failed }),
      ).client
    },
    room(name, { owners = [], admins = [], members = [], outcasts = [], ...config } = {}) {
      const found = roomJid(name)
      const known = server.rooms.get(found)
      const room = known ?? newRoom(server, found)
      configureRoom(server, room, { ...room.config, ...(!known && { persistent: true }), ...config })
      const named = { owner: owners, admin: admins, member: members, outcast: outcasts }
      for (const affiliation of ['owner', 'admin', 'member', 'outcast'] as const)
        for (const who of named[affiliation]) setAffiliation(server, room, accountOf(who).jid, affiliation)
      return found
    },
    subscribeBoth(one, other) {
      const [a, b] = [accountOf(one), accountOf(other)]
      for (const half of ['to', 'from'] as const) {
        change(server, a, b.jid, half, true)
        change(server, b, a.jid, half, true)
      }
    },
    settle: () => pump.settle(),
    async advance(ms) {
      const until = clock.now() + ms
      await pump.settle()
      for (let f = clock.next(until); f; f = clock.next(until)) {
        f()
        await pump.settle()
      }
      clock.set(until)
    },
    async finish(promise) {
      let settled = false
      const done = () => {
        settled = true
      }
      promise.then(done, done)
      for (const until = clock.now() + FINISH_MS; ; ) {
        await pump.settle()
        if (settled) return promise
        const f = clock.next(until)
        if (!f)
          throw new TestkitError(
            'unfinished',
            `nothing is under way, and no timer is due in ${FINISH_MS} ms: what is waited for never happens`,
          )
        f()
      }
    },
    fault: (rule) => rules.add(rule.client === undefined ? rule : { ...rule, client: clientOf(rule.client) }),
  }
}

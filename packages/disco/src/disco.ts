/** The façade: one for each connection. */

import type { Store } from '@xmpp-e2e/store'
import { bare, type Connection, type Element, parseJid, type Signal } from '@xmpp-e2e/xml'
import { address } from './address.ts'
import { announcement } from './announcement.ts'
import { capsCache } from './cache.ts'
import { type Claim, claimsOf } from './claim.ts'
import type { Abilities } from './description.ts'
import { type Hash, sha1, sha256 } from './hash.ts'
import { type Identity, INFO_NAMESPACE, type Info } from './info.ts'
import { inquiry } from './inquiry.ts'
import { ITEMS_NAMESPACE } from './items.ts'
import { type Resource, resources } from './resource.ts'

export interface DiscoOptions extends Abilities {
  /** Its own part of a store: `scoped(store, …)` of `@xmpp-e2e/store`. */
  readonly store: Store
  /** What this is, such as `{ category: 'client', type: 'web', name: 'Gabber' }`; `lang` is `en` unless given. */
  readonly identities: readonly [Identity, ...Identity[]]
  /** A URI of the software, the same in all its versions: the `node` of XEP-0115. */
  readonly node: string
  /** Hash functions besides SHA-1 and SHA-256, strongest first: see `@xmpp-e2e/disco/hashes`. */
  readonly hashes?: readonly Hash[] | undefined
}

export interface InfoOptions {
  readonly signal?: Signal | undefined
  readonly node?: string | undefined
  /** Asks the entity itself, whatever it claims and others have said. */
  readonly fresh?: boolean | undefined
}

/**
 * Asks, answers, announces and remembers. It listens to the connection from the start; answering and announcing begin
 * when they are called for. A host that does both itself calls neither `answer` nor `announce`, and takes `features()`
 * into what it says: of two owners of `<c/>`, each would make the other's hash wrong.
 */
export interface Disco {
  /**
   * What an entity is and can do. Without `node` and `fresh`, one entity is asked for all that claim the same hash in
   * their presence, and its verified answer is stored. What is not verified, or may collide (see `isShareable`), counts
   * for the one address that said it, while it claims the same. Entities that claim nothing are asked each time. Of an entity
   * whose own answer may collide, another with the same hash of XEP-0115 may be asked: then texts of its forms may come
   * back as features, while none of its features is missing.
   *
   * @throws {StanzaError | ConnectionError} when it refuses, or does not answer
   * @throws {DiscoError} `malformed`, `wrong-node`
   * @throws {JidError} when `jid` is none
   */
  info(jid: string, options?: InfoOptions): Promise<Info>
  /** Who is there at an address, and what they claim. */
  resources(jid: string): readonly Resource[]
  /**
   * Whether `resources` of an account, room or service are all who are there: nobody has been forgotten for more than
   * `MAX_RESOURCES` others.
   */
  hasAll(jid: string): boolean
  /** The claims of a server, which it makes in `<stream:features/>`; `server` is the `from` of the stream. */
  streamFeatures(features: Element, server: string): void
  /**
   * Adds abilities; returns how to take them away. Either way the last presence is announced again, once for all
   * changes of one moment.
   *
   * @throws {RangeError} when all abilities together have no hash: a repeated FORM_TYPE or identity, a `<`, rows
   */
  add(abilities: Abilities): () => void
  /** What has been added, with the features of the options: for hosts that answer and announce themselves. */
  features(): readonly string[]
  /**
   * The presence with both `<c/>` in it, to be sent. One that is available and goes to everybody is remembered, and sent
   * again through the connection when the abilities change, until a new session begins. If that fails, it is tried
   * again when the session is resumed, and with the next change. Presence of a type is handed back as it is. Let
   * `unavailable` come through here, too: of one that is sent past it nothing is known, and the next change would send
   * the last available one again.
   */
  announce(presence: Element): Element
  /**
   * Answers questions: without node, with the hash of one of the last descriptions, or that there is no such node. An
   * answer tells a stranger who knows the full JID that it is there (XEP-0115 §9.4). To tell only some, hand in a
   * connection whose `answer` asks you first, and throws `service-unavailable` to others.
   */
  answer(): () => void
  /** Stops listening and answering. */
  close(): void
}

export function disco(connection: Connection, options: DiscoOptions): Disco {
  const setHashes = [...(options.hashes ?? []), sha256]
  const hashes = [...setHashes, sha1]
  const there = resources()
  const servers = new Map<string, readonly Claim[]>()
  const asking = inquiry({ connection, hashes, cache: capsCache(options.store, hashes) })
  const stops = new Set<() => void>()

  const own = announcement(connection, options, setHashes)

  stops.add(
    connection.subscribe({
      stanza(stanza) {
        if (stanza.name === 'presence' && stanza.ns === 'jabber:client') there.presence(stanza)
      },
      session(state) {
        if (state === 'new') {
          there.clear()
          asking.forget()
          own.forget()
        } else if (state === 'resumed') void own.again()
      },
    }),
  )

  return {
    async info(jid, { node, signal, fresh = false } = {}) {
      const to = address(jid)
      const claims = servers.get(to) ?? there.get(to)?.claims ?? []
      return node === undefined && claims.length > 0 && !fresh
        ? asking.claimed(to, claims, signal)
        : asking.ask(to, node, signal)
    },
    resources: (jid) => {
      const { bare, full } = parseJid(jid)
      if (!full) return there.of(bare)
      const one = there.get(full)
      return one ? [one] : []
    },
    hasAll: (jid) => there.hasAll(bare(jid)),
    streamFeatures(features, server) {
      servers.set(bare(server), claimsOf(features) ?? [])
    },
    add: own.add,
    features: own.features,
    announce: own.announce,
    answer() {
      const respond = async (iq: Element) => own.answer(iq)
      const ends = [INFO_NAMESPACE, ITEMS_NAMESPACE].map((namespace) => connection.answer(namespace, respond))
      const stop = () => {
        for (const end of ends) end()
        stops.delete(stop)
      }
      stops.add(stop)
      return stop
    },
    close() {
      for (const stop of [...stops]) stop()
      own.forget()
    },
  }
}

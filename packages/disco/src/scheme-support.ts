/** Asks an account, and its clients, which schemes they support, and remembers what they have supported. */

import type { Store } from '@xmpp-e2e/store'
import { type BareJid, bare, type Connection, type Element, type Received, type Signal } from '@xmpp-e2e/xml'
import { readJid } from './address.ts'
import { bounded } from './bounded.ts'
import type { Disco } from './disco.ts'
import { type Asking, gather } from './evidence.ts'
import { judge, SCHEMES, type Scheme, type Support, type SupportEvidence, schemeOf } from './scheme.ts'
import { shared } from './shared.ts'

/**
 * Contacts of whose messages it is known what they showed, without asking the store: all of a large roster. With 200
 * bytes of address and names of schemes each, 800 kB.
 */
export const MAX_HEARD = 4096

export interface SchemeSupportOptions {
  readonly disco: Pick<Disco, 'info' | 'resources' | 'hasAll'>
  /** Its own part of a store, or that of `disco`: the keys differ. */
  readonly store: Store
}

/** A contact that was known to support a scheme is proven not to. See `Support.regressed`. */
export interface RegressionEvent {
  readonly kind: 'regressed'
  readonly jid: BareJid
  readonly support: Support
}

export interface SchemeSupport {
  /**
   * Which schemes a contact supports; what it has supported is remembered from here on. `jid` is its own address, not
   * that of an occupant of a room. What goes wrong is evidence in the answer; only the caller's signal and the store
   * reject.
   *
   * @throws {ConnectionError} `aborted`
   * @throws {JidError} when `jid` is none
   */
  of(
    jid: string,
    options?: { readonly signal?: Signal | undefined },
  ): Promise<Readonly<Record<Scheme, Support>>>
  /**
   * Takes a message as evidence that does not come in by itself: a carbon, or one from the archive. Those of occupants
   * of a room, or of nobody known, are none.
   */
  observe(received: Received): void
  /** Forgets that a contact has ever supported these schemes: a regression that the user has accepted. */
  forget(jid: string, schemes?: readonly Scheme[]): Promise<void>
  on(listener: (event: RegressionEvent) => void): () => void
  /** Stops listening for messages. */
  close(): void
}

// A bare JID has no slash.
const storeKey = (jid: BareJid, scheme: Scheme): string => `support/${jid}/${scheme}`

export function schemeSupport(connection: Connection, options: SchemeSupportOptions): SchemeSupport {
  const { disco, store } = options
  const messages = bounded<ReadonlySet<Scheme>>(MAX_HEARD)
  const asking: Asking = { connection, disco, fetched: shared() }
  const listeners = new Set<(event: RegressionEvent) => void>()

  function heard(message: Element, from: string | undefined): void {
    const scheme = schemeOf(message)
    const jid = scheme && from !== undefined && readJid(from)?.bare
    const before = jid ? messages.get(jid) : undefined
    if (!jid || before?.has(scheme)) return
    // Not into the store: whoever writes could fill it.
    messages.put(jid, new Set([...(before ?? []), scheme]))
  }

  const close = connection.subscribe({
    stanza(stanza) {
      const { type = 'normal', from } = stanza.attrs
      const isMessage = stanza.name === 'message' && stanza.ns === 'jabber:client'
      if (isMessage && (type === 'chat' || type === 'normal')) heard(stanza, from)
    },
  })

  return {
    close,
    async of(contact, { signal } = {}) {
      const jid = bare(contact)
      const readings = await store.read(SCHEMES.map((scheme) => storeKey(jid, scheme)))
      const before = SCHEMES.filter((_, i) => readings[i]?.value !== undefined)
      const all = await Promise.all(
        SCHEMES.map(async (scheme) => {
          const evidence = await gather(asking, jid, scheme, signal)
          const message: readonly SupportEvidence[] = messages.get(jid)?.has(scheme)
            ? [{ kind: 'message' }]
            : []
          return judge(scheme, [...evidence, ...message], before.includes(scheme))
        }),
      )
      const after = all.filter(({ remembered }) => remembered).map(({ scheme }) => scheme)
      if (after.length > before.length)
        await store.commit([], { put: after.map((scheme) => [storeKey(jid, scheme), Uint8Array.of(1)]) })
      for (const support of all)
        if (support.regressed) for (const listen of listeners) listen({ kind: 'regressed', jid, support })
      return Object.fromEntries(all.map((one) => [one.scheme, one])) as Record<Scheme, Support>
    },
    observe({ sender, stanza, own }) {
      // What a room says of its occupants is no evidence about their accounts.
      if (sender.known === 'stream' && !own && stanza.attrs.type !== 'groupchat') heard(stanza, sender.jid)
    },
    async forget(contact, schemes = SCHEMES) {
      const jid = bare(contact)
      const kept = [...(messages.get(jid) ?? [])].filter((scheme) => !schemes.includes(scheme))
      if (kept.length > 0) messages.put(jid, new Set(kept))
      else messages.delete(jid)
      await store.commit([], { delete: schemes.map((scheme) => storeKey(jid, scheme)) })
    },
    on(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

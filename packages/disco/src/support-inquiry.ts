/** Gathers the evidence for `judge`, and remembers who has supported what. */

import type { Store } from '@xmpp-e2e/store'
import { type BareJid, type Connection, ConnectionError, type Signal, StanzaError } from '@xmpp-e2e/xml'
import { bounded } from './bounded.ts'
import { DiscoError } from './error.ts'
import type { Inquiry } from './inquiry.ts'
import { PepError } from './pep/error.ts'
import type { Item } from './pep/item.ts'
import { fetchItems } from './pep/items.ts'
import type { Resource, Resources } from './resource.ts'
import { shared } from './shared.ts'
import {
  type Evidence,
  judge,
  KEY_NODES,
  type KeyNode,
  listed,
  OTR_FEATURE,
  SCHEMES,
  type Scheme,
  type Support,
} from './support.ts'

/** Clients of one contact that are asked for OTR. People have three or four; rooms are nobody's. */
export const MAX_ASKED = 16

/** Contacts whose messages are remembered until the next start. */
const MAX_HEARD = 4096

export interface SupportInquiry {
  support(jid: BareJid, signal: Signal | undefined): Promise<Readonly<Record<Scheme, Support>>>
  /** A message has shown what its sender can do. */
  heard(jid: BareJid, scheme: Scheme): void
  forget(jid: BareJid, schemes: readonly Scheme[]): Promise<void>
}

export interface SupportInquiryOptions {
  readonly connection: Connection
  readonly store: Store
  readonly inquiry: Inquiry
  readonly resources: Resources
}

// A bare JID has no slash.
const storeKey = (jid: BareJid, scheme: Scheme): string => `support/${jid}/${scheme}`

export function supportInquiry(options: SupportInquiryOptions): SupportInquiry {
  const { connection, store, inquiry, resources } = options
  const messages = bounded<ReadonlySet<Scheme>>(MAX_HEARD)
  const fetched = shared<readonly Item[]>()

  async function publication(
    owner: BareJid,
    keyNode: KeyNode,
    signal: Signal | undefined,
  ): Promise<readonly Evidence[]> {
    const { node } = keyNode
    const fetch = () => fetchItems(connection, node, { owner, max: 1 })
    try {
      const [item] = (await fetched(JSON.stringify([owner, node]), fetch, signal)).slice(-1)
      const count = item === undefined ? 0 : item.payload && listed(item.payload, keyNode)
      return count === undefined
        ? [{ kind: 'failed', of: node, code: 'malformed' }]
        : [{ kind: 'published', node, count }]
    } catch (error) {
      const cause = error instanceof PepError ? error.cause : error
      if (cause instanceof StanzaError && cause.condition === 'item-not-found')
        return [{ kind: 'not-published', node }]
      return [{ kind: 'failed', of: node, code: codeOf(error, signal) }]
    }
  }

  /** A hash may say that a client has the feature; that it has not, only the client itself. */
  async function feature({ jid, claims }: Resource, signal: Signal | undefined): Promise<Evidence> {
    const has = (features: readonly string[]) => features.includes(OTR_FEATURE)
    try {
      const claimed = await inquiry.known(jid, claims)
      const is =
        (claimed && has(claimed.features)) || has((await inquiry.ask(jid, undefined, signal)).features)
      return { kind: 'feature', jid, feature: OTR_FEATURE, has: is }
    } catch (error) {
      return { kind: 'failed', of: jid, code: codeOf(error, signal) }
    }
  }

  async function gather(jid: BareJid, scheme: Scheme, signal: Signal | undefined) {
    const keyNode = KEY_NODES.get(scheme)
    if (keyNode) return publication(jid, keyNode, signal)
    const there = resources.of(jid)
    if (scheme === 'pgp')
      return there
        .filter(({ signed }) => signed)
        .map((resource): Evidence => ({ kind: 'signed-presence', jid: resource.jid }))
    const asked = await Promise.all(there.slice(0, MAX_ASKED).map((resource) => feature(resource, signal)))
    const unasked = there
      .slice(MAX_ASKED)
      .map((resource): Evidence => ({ kind: 'failed', of: resource.jid, code: 'too-many' }))
    return [...asked, ...unasked]
  }

  const remember = (jid: BareJid, schemes: readonly Scheme[]) =>
    store.commit([], { put: schemes.map((scheme) => [storeKey(jid, scheme), Uint8Array.of(1)]) })

  return {
    async support(jid, signal) {
      const readings = await store.read(SCHEMES.map((scheme) => storeKey(jid, scheme)))
      const all = await Promise.all(
        SCHEMES.map(async (scheme, i) => {
          const message: readonly Evidence[] = messages.get(jid)?.has(scheme) ? [{ kind: 'message' }] : []
          const evidence = [...(await gather(jid, scheme, signal)), ...message]
          return judge(scheme, evidence, readings[i]?.value !== undefined)
        }),
      )
      const news = all.filter(({ remembered }, i) => remembered && readings[i]?.value === undefined)
      if (news.length > 0)
        await remember(
          jid,
          news.map(({ scheme }) => scheme),
        )
      return Object.fromEntries(all.map((one) => [one.scheme, one])) as Record<Scheme, Support>
    },

    heard(jid, scheme) {
      const before = messages.get(jid)
      if (before?.has(scheme)) return
      messages.put(jid, new Set([...(before ?? []), scheme]))
      // The next answer about the contact tries again, and tells if that fails.
      remember(jid, [scheme]).catch(() => {})
    },

    async forget(jid, schemes) {
      const kept = [...(messages.get(jid) ?? [])].filter((scheme) => !schemes.includes(scheme))
      messages.put(jid, new Set(kept))
      await store.commit([], { delete: schemes.map((scheme) => storeKey(jid, scheme)) })
    },
  }
}

/** What an error of a question is called; throws what is none. */
function codeOf(error: unknown, signal: Signal | undefined): string {
  if (signal?.aborted) throw error
  if (error instanceof PepError)
    return error.cause instanceof StanzaError ? error.cause.condition : error.code
  if (error instanceof StanzaError) return error.condition
  if (error instanceof ConnectionError || error instanceof DiscoError) return error.code
  throw error
}

/** What this entity says about itself: in presence, and when asked. */

import { type Element, element, elements, StanzaError } from '@xmpp-e2e/xml'
import { CAPS_NAMESPACE, caps } from './caps.ts'
import { CAPS2_NAMESPACE, hashSet } from './caps2.ts'
import { claimsOf } from './claim.ts'
import type { DataForm } from './data-form.ts'
import type { Hash } from './hash.ts'
import { type Identity, INFO_NAMESPACE, type Info, infoQuery } from './info.ts'
import { ITEMS_NAMESPACE } from './items.ts'
import { sortOctets } from './octet-order.ts'

/** What a part of an application adds to what the whole can do. */
export interface Abilities {
  readonly identities?: readonly Identity[] | undefined
  readonly features?: readonly string[] | undefined
  /** Each with a hidden FORM_TYPE of its own (XEP-0128). */
  readonly forms?: readonly DataForm[] | undefined
}

/** One description that has been, or may be, announced. */
export interface Description {
  readonly info: Info
  /** Both `<c/>`. */
  readonly claims: readonly Element[]
  /** Which nodes it answers for. */
  readonly nodes: ReadonlySet<string>
}

/** `<presence/>` with the claims of a description in place of those it had. */
export function annotated(presence: Element, { claims }: Description): Element {
  const others = presence.children.filter((node) => typeof node === 'string' || !isClaim(node))
  return element(presence.ns, presence.name, presence.attrs, others, claims)
}

const isClaim = ({ name, ns }: Element): boolean =>
  name === 'c' && (ns === CAPS_NAMESPACE || ns === CAPS2_NAMESPACE)

/** @throws {RangeError} when the abilities together have no hash */
export function describe(all: readonly Abilities[], node: string, hashes: readonly Hash[]): Description {
  const info: Info = {
    // Servers put a language around what they forward, and an identity without its own would take it (XEP-0390 §4.1).
    identities: all
      .flatMap(({ identities = [] }) => identities)
      .map(({ lang = 'en', ...identity }) => ({ ...identity, lang })),
    features: sortOctets(
      new Set([
        CAPS_NAMESPACE,
        CAPS2_NAMESPACE,
        INFO_NAMESPACE,
        ITEMS_NAMESPACE,
        ...all.flatMap(({ features = [] }) => features),
      ]),
    ),
    forms: all.flatMap(({ forms = [] }) => forms),
  }
  const claims = [caps(info, node), hashSet(info, hashes)]
  const nodes = claimsOf(element('jabber:client', 'presence', {}, claims))?.map((claim) => claim.node)
  return { info, claims, nodes: new Set(nodes) }
}

/**
 * Answers a question about a node: the current description without one, a former one under its hash.
 *
 * @throws {StanzaError} `item-not-found` for any other node (XEP-0030 §7), `feature-not-implemented` for what is no question
 */
export function answer(iq: Element, current: Description, former: readonly Description[]): Element {
  const [query] = elements(iq)
  if (iq.attrs.type !== 'get' || query?.name !== 'query')
    throw new StanzaError(iq, 'cancel', 'feature-not-implemented')
  const { node } = query.attrs
  const found = node === undefined ? current : [current, ...former].find(({ nodes }) => nodes.has(node))
  if (!found) throw new StanzaError(iq, 'cancel', 'item-not-found')
  const reply =
    query.ns === ITEMS_NAMESPACE ? element(query.ns, 'query', { node }) : infoQuery(found.info, node)
  return element(iq.ns, 'iq', { type: 'result' }, reply)
}

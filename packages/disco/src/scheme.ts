/**
 * Which encryption a contact can be written to with, and how that is known.
 *
 * | scheme    | yes                                                   | no                                             |
 * |-----------|-------------------------------------------------------|------------------------------------------------|
 * | `omemo:2` | `urn:xmpp:omemo:2:devices` lists a device             | the node is not there, or lists none           |
 * | `omemo`   | `eu.siacs.conversations.axolotl.devicelist` does      | the same                                       |
 * | `ox`      | `urn:xmpp:openpgp:0:public-keys` lists a key          | the same                                       |
 * | `otr`     | a client has the feature `urn:xmpp:otr:0`             | all who are there were asked and none has it   |
 * | `pgp`     | a client signs its presence                           | never: nobody has to                           |
 *
 * A message that was encrypted, or offered OTR, says yes where the above does not say no; for OTR, whose clients need
 * not announce it, in any case. No refusal, silence or cached answer says no.
 */

import { child, children, type Element, encryptionOf, text } from '@xmpp-e2e/xml'

/** The wire formats: OMEMO 0.8 and later, OMEMO 0.3, XEP-0373, XEP-0364 and XEP-0027. */
export type Scheme = 'omemo:2' | 'omemo' | 'ox' | 'otr' | 'pgp'

export const OTR_FEATURE = 'urn:xmpp:otr:0'

/** The node that lists devices or keys, the element around the list, and the one of each. */
interface KeyNode {
  readonly node: string
  readonly list: string
  readonly entry: string
}

/** What a scheme is called in messages (XEP-0380), which is also the namespace of what it publishes; and where. */
interface Protocol {
  readonly namespace: string
  readonly keyNode?: KeyNode
}

export const PROTOCOLS: Readonly<Record<Scheme, Protocol>> = {
  'omemo:2': {
    namespace: 'urn:xmpp:omemo:2',
    keyNode: { node: 'urn:xmpp:omemo:2:devices', list: 'devices', entry: 'device' },
  },
  omemo: {
    namespace: 'eu.siacs.conversations.axolotl',
    keyNode: { node: 'eu.siacs.conversations.axolotl.devicelist', list: 'list', entry: 'device' },
  },
  ox: {
    namespace: 'urn:xmpp:openpgp:0',
    keyNode: { node: 'urn:xmpp:openpgp:0:public-keys', list: 'public-keys-list', entry: 'pubkey-metadata' },
  },
  otr: { namespace: OTR_FEATURE },
  pgp: { namespace: 'jabber:x:encrypted' },
}

export const SCHEMES: readonly Scheme[] = /* @__PURE__ */ Object.keys(PROTOCOLS) as Scheme[]

export type SupportEvidence =
  /** What the account publishes: how many devices or keys, in the longest list at the node. */
  | { readonly kind: 'published'; readonly node: string; readonly count: number }
  /** The account's server says that the account has no such node. */
  | { readonly kind: 'not-published'; readonly node: string }
  /** A client that is there has a feature, or has just said that it has not. */
  | { readonly kind: 'feature'; readonly jid: string; readonly feature: string; readonly has: boolean }
  | { readonly kind: 'signed-presence'; readonly jid: string }
  /** A message of the contact since `schemeSupport` was called: encrypted, or an offer of OTR. */
  | { readonly kind: 'message' }
  /** A question without a usable answer; `code` is a condition of RFC 6120 §8.3.3, or the code of an error. */
  | { readonly kind: 'failed'; readonly of: string; readonly code: string }

export interface Support {
  readonly scheme: Scheme
  /** Its namespace: what XEP-0380 calls it, and the `protocol` of its keys in `@xmpp-e2e/trust`. */
  readonly protocol: string
  readonly answer: 'yes' | 'no' | 'unknown'
  readonly evidence: readonly SupportEvidence[]
  /** Whether the answer was `yes` before, in this session or an earlier one, and has not been forgotten since. */
  readonly remembered: boolean
  /** A `no` after a `yes`: the contact has stopped, or somebody on the way wants it to look like that. Ask the user. */
  readonly regressed: boolean
}

/** How many devices or keys a payload lists; `undefined` when it is no such list. */
export function listed(payload: Element, scheme: Scheme): number | undefined {
  const { namespace, keyNode } = PROTOCOLS[scheme]
  if (!keyNode || payload.ns !== namespace || payload.name !== keyNode.list) return undefined
  return children(payload, keyNode.entry).length
}

// OTR version 3, "OTR Query Messages" and "Tagged plaintext messages".
const OTR_QUERY = /^\s*\?OTR(?:\?|v[0-9A-Za-z]*\?)/
const OTR_TAG = ' \t  \t\t\t\t \t \t \t  '

/** What a message shows its sender to be able to do. */
export function schemeOf(message: Element): Scheme | undefined {
  const encryption = encryptionOf(message)
  if (encryption) return SCHEMES.find((scheme) => PROTOCOLS[scheme].namespace === encryption.namespace)
  const body = child(message, 'body')
  const written = body ? text(body) : ''
  return OTR_QUERY.test(written) || written.includes(OTR_TAG) ? 'otr' : undefined
}

/** What the evidence about one scheme amounts to. `rememberedYes`: whether there has been a yes before. */
export function judge(scheme: Scheme, evidence: readonly SupportEvidence[], rememberedYes: boolean): Support {
  const answer = answerFrom(scheme, evidence)
  const told = evidence.some(({ kind }) => kind === 'message')
  const remembered = rememberedYes || told || answer === 'yes'
  const protocol = PROTOCOLS[scheme].namespace
  return { scheme, protocol, answer, evidence, remembered, regressed: answer === 'no' && remembered }
}

function answerFrom(scheme: Scheme, evidence: readonly SupportEvidence[]): Support['answer'] {
  const says = evidence.map(direction)
  const isPublished = PROTOCOLS[scheme].keyNode !== undefined
  // Only what is published can be encrypted to, whatever was sent before.
  if (isPublished && says.includes('no')) return 'no'
  if (says.includes('yes') || evidence.some(({ kind }) => kind === 'message')) return 'yes'
  return scheme === 'otr' && says.length > 0 && says.every((one) => one === 'no') ? 'no' : 'unknown'
}

function direction(evidence: SupportEvidence): 'yes' | 'no' | undefined {
  switch (evidence.kind) {
    case 'published':
      return evidence.count > 0 ? 'yes' : 'no'
    case 'not-published':
      return 'no'
    case 'feature':
      return evidence.has ? 'yes' : 'no'
    case 'signed-presence':
      return 'yes'
    case 'message':
    case 'failed':
      return undefined
  }
}

/**
 * What an entity claims to be, by hash, in its presence or in the features of a stream, and whether an answer bears
 * that out:
 *
 *     <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='…' ver='…'/>         XEP-0115 §6.1
 *     <c xmlns='urn:xmpp:caps'> <hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>…</hash> … </c>    XEP-0390 §5.4
 */

import { base64, child, children, type Element, elements, text } from '@xmpp-e2e/xml'
import { CAPS_NAMESPACE, isShareable, verificationInput } from './caps.ts'
import { CAPS2_NAMESPACE, HASHES_NAMESPACE, hashInput, hashNode } from './caps2.ts'
import { DATA_FORM_NAMESPACE } from './data-form.ts'
import { fresh } from './fresh.ts'
import { type Hash, hashed } from './hash.ts'
import { canonicalInfo, INFO_NAMESPACE, type Info, inLanguage, readInfo } from './info.ts'

/** Hashes that are read of one set. XEP-0414 §5 has ten functions, and three of them must not be used. */
export const MAX_HASHES = 8

/** UTF-16 code units of the node of a `<c/>` that are read: a URI should do with less. */
export const MAX_CLAIM_LENGTH = 1024

/** UTF-16 code units of the name of a hash function that are read: `blake2b-512` has 11. */
export const MAX_ALGORITHM_LENGTH = 32

/** UTF-16 code units of a hash that are read: one of 512 bits has 88 in base64. */
export const MAX_HASH_LENGTH = 128

export interface Claim {
  readonly xep: '0115' | '0390'
  /** The name of the hash function, as XEP-0300 has it. */
  readonly algorithm: string
  /** In base64. */
  readonly hash: string
  /** The node to ask about it. */
  readonly node: string
}

/**
 * The claims of a presence or `<stream:features/>`, those of XEP-0390 first; `undefined` when there is no `<c/>`, which
 * says nothing (servers may leave out what has not changed). A `<c/>` of before XEP-0115 1.4 has no hash and is no claim.
 */
export function claimsOf(el: Element): readonly Claim[] | undefined {
  const set = child(el, 'c', CAPS2_NAMESPACE)
  const single = child(el, 'c', CAPS_NAMESPACE)
  if (!set && !single) return undefined
  const hashes = set ? children(set, 'hash', HASHES_NAMESPACE).slice(0, MAX_HASHES) : []
  return [...hashes.map(hashClaim), single && capsClaim(single)].filter(
    (claim): claim is Claim => claim !== undefined,
  )
}

function hashClaim(el: Element): Claim | undefined {
  const [algorithm, written] = [el.attrs.algo, text(el)]
  if (!algorithm || algorithm.length > MAX_ALGORITHM_LENGTH || written.length > MAX_HASH_LENGTH)
    return undefined
  const bytes = base64().decode(written)
  if (!bytes?.length) return undefined
  const hash = base64().encode(bytes)
  return claim('0390', algorithm, hash, hashNode(algorithm, hash))
}

function capsClaim({ attrs: { hash: algorithm, node, ver: hash } }: Element): Claim | undefined {
  if (!algorithm || !node || !hash) return undefined
  if (algorithm.length > MAX_ALGORITHM_LENGTH || hash.length > MAX_HASH_LENGTH) return undefined
  return node.length > MAX_CLAIM_LENGTH ? undefined : claim('0115', algorithm, hash, `${node}#${hash}`)
}

// Claims are remembered for every address, longer than what they came in.
function claim(xep: Claim['xep'], algorithm: string, hash: string, node: string): Claim {
  return { xep, algorithm: fresh(algorithm), hash: fresh(hash), node: fresh(node) }
}

/**
 * - `verified`: the answer has the hash. `shareable` says whether it may stand for everybody with the same claim; `info`
 *   is then without what the hash does not cover.
 * - `mismatch`: it has another one.
 * - `ill-formed`: the specification gives it none.
 * - `unknown-hash`: there is no such hash function at hand.
 *
 * Unless it is verified, an answer says something about the entity that sent it only.
 */
export type Verdict =
  | { readonly kind: 'verified'; readonly shareable: boolean; readonly info: Info }
  | { readonly kind: 'mismatch' | 'ill-formed' | 'unknown-hash'; readonly info: Info }

/**
 * Holds an answer against a claim (XEP-0115 §5.4, XEP-0390 §4.4). `lang` is the language around `query`, of the
 * `<iq/>`. Servers add one to what they forward, so that XEP-0390 hashes are tried with and without it.
 *
 * @throws {DiscoError} `malformed`
 */
export function verify(query: Element, claim: Claim, hashes: readonly Hash[], lang?: string): Verdict {
  const info = readInfo(query)
  const hash = hashes.find(({ name }) => name === claim.algorithm)
  if (!hash) return { kind: 'unknown-hash', info }
  const around = query.attrs['xml:lang'] ?? lang
  const readings = claim.xep === '0115' || around === undefined ? [info] : [inLanguage(info, around), info]
  const inputs = readings.map((reading) => inputOf(reading, query, claim))
  const found = readings.find((_, i) => inputs[i] && hashed(inputs[i], hash) === claim.hash)
  if (!found) return { kind: inputs.some((input) => input) ? 'mismatch' : 'ill-formed', info }
  const shareable = claim.xep === '0390' || isShareable(found)
  return { kind: 'verified', shareable, info: shareable ? canonicalInfo(found) : found }
}

function inputOf(info: Info, query: Element, { xep }: Claim): Uint8Array | undefined {
  if (xep === '0115') return verificationInput(info)
  // What else there is has no place in the hash (XEP-0390 §4.1, 1).
  return elements(query).every(isHashed) ? hashInput(info) : undefined
}

function isHashed({ name, ns }: Element): boolean {
  return ns === INFO_NAMESPACE
    ? name === 'identity' || name === 'feature'
    : ns === DATA_FORM_NAMESPACE && name === 'x'
}

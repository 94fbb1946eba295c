/**
 * The bundle of one device as it is written (XEP-0384 §5.3.2; 0.3.0 §4.3). Nothing here knows whether a key is a
 * point of the curve or the signature good: see `verifyBundle`.
 *
 *     <bundle xmlns='eu.siacs.conversations.axolotl'>        <bundle xmlns='urn:xmpp:omemo:2'>
 *       <signedPreKeyPublic signedPreKeyId='1'>…               <spk id='1'>…</spk>
 *       <signedPreKeySignature>…                               <spks>…</spks>
 *       <identityKey>…                                         <ik>…</ik>
 *       <prekeys><preKeyPublic preKeyId='1'>…                  <prekeys><pk id='1'>…</pk>…</prekeys>
 *     keys: 05 ‖ u, 33 bytes                                 keys: 32 bytes, <ik/> in Ed25519
 */
import {
  attr,
  base64,
  codec,
  content,
  type Element,
  inside,
  one,
  optional,
  type Scalar,
  uint,
} from '@xmpp-e2e/xml'
import { type Bytes, sameBytes } from '../bytes.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../protocol.ts'
import { encodePublicKey } from '../wire/axolotl.ts'
import { assertDeviceId, assertOwnId, MAX_FOREIGN_ID } from './device-id.ts'
import { currentItem, type Item } from './item.ts'
import { decodeAs, manyById } from './reading.ts'

/** One-time prekeys in one bundle, ten times what §4.2 advises: 1000 × about 105 bytes of XML are 105 kB. */
export const MAX_BUNDLE_PRE_KEYS = 1000

/** All keys have 32 bytes; the type byte of 0.3 is only written. */
export interface Bundle {
  /** In the form that the namespace authenticates: Montgomery in 0.3, Ed25519 in omemo:2. */
  readonly identityKey: Bytes
  readonly signedPreKey: {
    /** 0 to 2³² − 1. */
    readonly id: number
    /** X25519. */
    readonly publicKey: Bytes
    /** 64 bytes. */
    readonly signature: Bytes
  }
  /** No id twice. Ids from 0 to 2³² − 1: some clients start at zero, and what they publish works. */
  readonly preKeys: readonly { readonly id: number; readonly publicKey: Bytes }[]
}

/** How one version publishes and writes bundles. */
export interface BundleFormat {
  /** Fields of `http://jabber.org/protocol/pubsub#publish-options`. */
  readonly publishOptions: Readonly<Record<string, string>>
  /** The PEP node of a device's bundle, and the id of the item to publish there. */
  location(deviceId: number): { readonly node: string; readonly item: string }
  /** The item of that node which is the device's, if it is among them. */
  itemOf<T extends Item>(items: readonly T[], deviceId: number): T | undefined
  /** @throws RangeError for an id that is not 1 to 2³¹ − 1, a wrong length, no prekeys or more than `MAX_BUNDLE_PRE_KEYS` */
  encode(bundle: Bundle): Element
  /**
   * Leaves out one-time prekeys that cannot be read; of two with one id it takes the first. There may be none.
   *
   * @throws OmemoError `bundle-malformed`
   */
  decode(el: Element): Bundle
}

const keyId = uint(MAX_FOREIGN_ID)
const signatureBytes = base64(64)
const omemo2Key = base64(32)
const axolotlKey: Scalar<Bytes> = {
  expected: '33 bytes in base64, the first of them 05',
  decode: (text) => {
    const written = base64(33).decode(text)
    const key = written?.slice(1)
    return written && key && sameBytes(encodePublicKey(key), written) ? key : undefined
  },
  encode: (key) => base64().encode(encodePublicKey(key)),
}

type Names = {
  readonly signedPreKey: string
  readonly signedPreKeyId: string
  readonly signature: string
  readonly identityKey: string
  readonly preKey: string
  readonly preKeyId: string
}

function bundleCodec(ns: Namespace, names: Names, key: Scalar<Bytes>) {
  const signedPreKey = codec(ns, names.signedPreKey, {
    id: attr(names.signedPreKeyId, keyId),
    publicKey: content(key),
  })
  const preKey = codec(ns, names.preKey, { id: attr(names.preKeyId, keyId), publicKey: content(key) })
  return codec(ns, 'bundle', {
    signedPreKey: one(signedPreKey),
    signature: inside(names.signature, content(signatureBytes)),
    identityKey: inside(names.identityKey, content(key)),
    preKeys: optional(inside('prekeys', manyById(preKey, MAX_BUNDLE_PRE_KEYS))),
  })
}

type BundleCodec = ReturnType<typeof bundleCodec>

const axolotlBundle = bundleCodec(
  AXOLOTL,
  {
    signedPreKey: 'signedPreKeyPublic',
    signedPreKeyId: 'signedPreKeyId',
    signature: 'signedPreKeySignature',
    identityKey: 'identityKey',
    preKey: 'preKeyPublic',
    preKeyId: 'preKeyId',
  },
  axolotlKey,
)

const omemo2Bundle = bundleCodec(
  OMEMO_2,
  {
    signedPreKey: 'spk',
    signedPreKeyId: 'id',
    signature: 'spks',
    identityKey: 'ik',
    preKey: 'pk',
    preKeyId: 'id',
  },
  omemo2Key,
)

/** Both versions. */
export const bundles: Readonly<Record<Namespace, BundleFormat>> = {
  [AXOLOTL]: {
    publishOptions: { 'pubsub#access_model': 'open' },
    location: (deviceId) => ({ node: `${AXOLOTL}.bundles:${checked(deviceId)}`, item: 'current' }),
    itemOf: currentItem,
    encode: (bundle) => encode(axolotlBundle, bundle),
    decode: (el) => decode(axolotlBundle, el),
  },
  [OMEMO_2]: {
    publishOptions: { 'pubsub#access_model': 'open', 'pubsub#max_items': 'max' },
    location: (deviceId) => ({ node: `${OMEMO_2}:bundles`, item: String(checked(deviceId)) }),
    itemOf: (items, deviceId) => items.filter(({ id }) => id === String(deviceId)).at(-1),
    encode: (bundle) => encode(omemo2Bundle, bundle),
    decode: (el) => decode(omemo2Bundle, el),
  },
}

function checked(deviceId: number): number {
  assertDeviceId(deviceId, 'device id')
  return deviceId
}

function encode(bundle: BundleCodec, { identityKey, signedPreKey, preKeys }: Bundle): Element {
  // The schemas want one, python-omemo enforces it, and nobody could open a session.
  if (preKeys.length === 0) throw new RangeError(`preKeys: expected 1 to ${MAX_BUNDLE_PRE_KEYS}, got 0`)
  assertOwnId(signedPreKey.id, 'signedPreKey.id')
  preKeys.forEach(({ id }, i) => {
    assertOwnId(id, `preKeys[${i}].id`)
  })
  const { signature, ...publicPart } = signedPreKey
  return bundle.encode({ signedPreKey: publicPart, signature, identityKey, preKeys })
}

function decode(bundle: BundleCodec, el: Element): Bundle {
  const { signedPreKey, signature, identityKey, preKeys } = decodeAs('bundle-malformed', () =>
    bundle.decode(el),
  )
  return { identityKey, signedPreKey: { ...signedPreKey, signature }, preKeys: preKeys ?? [] }
}

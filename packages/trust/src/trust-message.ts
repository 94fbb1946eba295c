/**
 * Trust messages, XEP-0434 §4:
 *
 *     <trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'>
 *       <key-owner jid='bob@example.com'>
 *         <trust>YjVI04NcbTPvXLaA95RO84HPcSvyOgEZ2r5cTyUs0C8=</trust>
 *         <distrust>tCP1CI3pqSTVGzFYFyPYUMfMZ9Ck/msmfD0wH/VtJBM=</distrust>
 *       </key-owner>
 *     </trust-message>
 *
 * It counts only inside an encrypted and authenticated envelope with its time and sender (§5.2.1), in a message of type
 * `chat` with a `<store/>` hint. The encryption makes that; this file knows the element alone.
 */

import {
  attr,
  type BareJid,
  type Bytes,
  bareJid,
  base64,
  type Codec,
  codec,
  content,
  type Infer,
  many,
  type Scalar,
  ShapeError,
  string,
} from '@xmpp-e2e/xml'

export const TRUST_MESSAGE_NAMESPACE = 'urn:xmpp:tm:1'
/** The `usage` of automatic trust management. */
export const ATM_NAMESPACE = 'urn:xmpp:atm:1'

/** Bytes of a key identifier. Fingerprints have 20 or 32, keys 32 or 33, and the longest hash in use 64. */
export const MAX_KEY_ID_BYTES = 64
/**
 * Key identifiers in one trust message that is read. A new device is told of all contacts at once (XEP-0450 §4.2.1):
 * 300 contacts with three devices each are 900, which in base64 twice over fill 110 kB of the 256 kB that servers take.
 */
export const MAX_TRUST_MESSAGE_KEYS = 1024

export interface KeyOwner {
  readonly jid: BareJid
  /** Key identifiers, as the encryption defines them. */
  readonly trust: readonly Bytes[]
  readonly distrust: readonly Bytes[]
}

export interface TrustMessage {
  /** The namespace of the protocol that the message is for: `ATM_NAMESPACE`. */
  readonly usage: string
  /** The namespace of the encryption that the keys belong to. */
  readonly encryption: string
  readonly keyOwners: readonly KeyOwner[]
}

const idBytes = base64()
const keyId: Scalar<Bytes> = {
  expected: `1 to ${MAX_KEY_ID_BYTES} bytes in base64`,
  decode: (text) => {
    const bytes = idBytes.decode(text)
    return bytes !== undefined && bytes.length > 0 && bytes.length <= MAX_KEY_ID_BYTES ? bytes : undefined
  },
  encode: idBytes.encode,
}

const name: Scalar<string> = { ...string, expected: 'a namespace', decode: (text) => text || undefined }

const trust = codec(TRUST_MESSAGE_NAMESPACE, 'trust', { id: content(keyId) })
const distrust = codec(TRUST_MESSAGE_NAMESPACE, 'distrust', { id: content(keyId) })

const keyOwner = codec(TRUST_MESSAGE_NAMESPACE, 'key-owner', {
  jid: attr('jid', bareJid),
  trust: many(trust, { max: MAX_TRUST_MESSAGE_KEYS }),
  distrust: many(distrust, { max: MAX_TRUST_MESSAGE_KEYS }),
})

const written = codec(TRUST_MESSAGE_NAMESPACE, 'trust-message', {
  usage: attr('usage', name),
  encryption: attr('encryption', name),
  keyOwners: many(keyOwner, { min: 1, max: MAX_TRUST_MESSAGE_KEYS }),
})
type Written = Infer<typeof written>

/**
 * `<trust-message/>`. Decoding throws a `ShapeError` of `@xmpp-e2e/xml`, also for an owner without keys and for more
 * than `MAX_TRUST_MESSAGE_KEYS` keys; encoding throws a `RangeError` for what could not be decoded.
 */
export const trustMessage: Codec<TrustMessage> = {
  name: written.name,
  ns: written.ns,
  is: written.is,
  decode(el, at = written.name) {
    const message = written.decode(el, at)
    const problem = problemOf(message)
    if (problem) throw new ShapeError(problem.code, `${at}/${problem.path}`, problem.message)
    return {
      ...message,
      keyOwners: message.keyOwners.map(({ jid, trust, distrust }) => ({
        jid,
        trust: trust.map(({ id }) => id),
        distrust: distrust.map(({ id }) => id),
      })),
    }
  },
  encode({ usage, encryption, keyOwners }, at = written.name) {
    const message: Written = {
      usage,
      encryption,
      keyOwners: keyOwners.map(({ jid, trust, distrust }) => ({
        jid,
        trust: trust.map((id) => ({ id })),
        distrust: distrust.map((id) => ({ id })),
      })),
    }
    const problem = problemOf(message)
    if (problem) throw new RangeError(`${at}/${problem.path}: ${problem.message}`)
    return written.encode(message, at)
  },
}

interface Problem {
  readonly code: 'too-few' | 'too-many'
  readonly path: string
  readonly message: string
}

function problemOf({ keyOwners }: Written): Problem | undefined {
  const counts = keyOwners.map((owner) => owner.trust.length + owner.distrust.length)
  const empty = counts.indexOf(0)
  if (empty >= 0)
    return { code: 'too-few', path: `key-owner[${empty + 1}]`, message: 'expected one key or more' }
  const all = counts.reduce((sum, count) => sum + count, 0)
  return all > MAX_TRUST_MESSAGE_KEYS
    ? {
        code: 'too-many',
        path: 'key-owner',
        message: `${all} keys, expected ${MAX_TRUST_MESSAGE_KEYS} or less`,
      }
    : undefined
}

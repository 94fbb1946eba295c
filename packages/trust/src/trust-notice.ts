/**
 * Who is told what when a person verifies or distrusts a key, XEP-0450 §4. "Verified others" are the endpoints whose keys
 * were verified before; this endpoint is none of them.
 *
 *     verified  a contact's key   → own verified others: that key                                          §4.1.1.1 OOK
 *                                 → the key's endpoint: the keys of own verified others                    §4.1.1.2
 *     verified  an own key        → all verified others, own and contacts': that key                       §4.2.1.1
 *                                 → the key's endpoint: the keys of all verified others                    §4.2.1.2
 *     distrusted  an own key      → all verified others, own and contacts': that key                       §4.3.1
 *     distrusted  a contact's key → own verified others: that key                                          §4.4.1 OOK
 *
 * Where all endpoints of an account share a key only the rows marked OOK apply, and the account is always told.
 */

import { type BareJid, type Bytes, type Element, hex } from '@xmpp-e2e/xml'
import { type Endpoint, isOwnKey } from './endpoint.ts'
import { isSameKey, type Key, type KeyRef } from './key.ts'
import { ATM_NAMESPACE, type KeyOwner, trustMessage } from './trust-message.ts'

/**
 * A trust message to send, in an encrypted envelope with its time, sender and recipient, from an effect that survives a
 * crash. Several to one account may have different recipients.
 */
export interface TrustNotice {
  /** The account to address. */
  readonly to: BareJid
  /** The keys to encrypt to, and no others: XEP-0434 §5.2. */
  readonly recipients: readonly KeyRef[]
  readonly trust: readonly KeyRef[]
  readonly distrust: readonly KeyRef[]
}

/**
 * Keys in one message that is sent. 256, each with an owner of its own, are 40 kB of XML; encrypted and in base64 twice
 * they stay below the 128 kB that a stanza from a client may have on careful servers.
 */
export const MAX_NOTICE_KEYS = 256

/** `before` are the keys as they were, `decided` is the key as it is now: verified or distrusted. */
export function trustNotices(
  endpoint: Endpoint,
  before: readonly Key[],
  decided: Key,
): readonly TrustNotice[] {
  const { account, fingerprint } = endpoint
  const self: KeyRef = { owner: account, fingerprint }
  const others = before.filter(
    (key) => key.level === 'verified' && !isSameKey(key, decided) && !isOwnKey(endpoint, key),
  )
  const own = others.filter(({ owner }) => owner === account)
  const isOwn = decided.owner === account
  const isVerified = decided.level === 'verified'
  const about = [refOf(decided)]

  if (endpoint.sharesKey) return isOwn ? [] : notices(account, [self], about, isVerified)
  const told = isOwn ? byOwner(others) : byOwner(own)
  const toOthers = [...told].flatMap(([owner, keys]) => notices(owner, keys, about, isVerified))
  if (!isVerified) return toOthers
  return [...toOthers, ...notices(decided.owner, about, isOwn ? others : own, true)]
}

function notices(
  to: BareJid,
  recipients: readonly KeyRef[],
  about: readonly KeyRef[],
  isVerified: boolean,
): readonly TrustNotice[] {
  const parts = Math.ceil(about.length / MAX_NOTICE_KEYS)
  return Array.from({ length: parts }, (_, i) => {
    const keys = about.slice(MAX_NOTICE_KEYS * i, MAX_NOTICE_KEYS * (i + 1)).map(refOf)
    return {
      to,
      recipients: recipients.map(refOf),
      trust: isVerified ? keys : [],
      distrust: isVerified ? [] : keys,
    }
  })
}

const refOf = ({ owner, fingerprint }: KeyRef): KeyRef => ({ owner, fingerprint })

function byOwner<K extends KeyRef>(keys: readonly K[]): ReadonlyMap<BareJid, readonly K[]> {
  const groups = new Map<BareJid, K[]>()
  for (const key of keys) groups.set(key.owner, [...(groups.get(key.owner) ?? []), key])
  return groups
}

/**
 * The `<trust-message/>` of a notice. `keyIdOf` gives the key identifier that the encryption defines; the bytes of the
 * fingerprint unless given.
 *
 * @throws {RangeError} when an identifier has not 1 to `MAX_KEY_ID_BYTES` bytes
 */
export function noticeElement(
  notice: TrustNotice,
  protocol: string,
  keyIdOf: (key: KeyRef) => Uint8Array = fingerprintBytes,
): Element {
  const owners = byOwner([...notice.trust, ...notice.distrust]).keys()
  const idsOf = (keys: readonly KeyRef[], jid: BareJid): readonly Bytes[] =>
    keys.filter(({ owner }) => owner === jid).map((key) => Uint8Array.from(keyIdOf(key)))
  const keyOwners = Array.from(
    owners,
    (jid): KeyOwner => ({ jid, trust: idsOf(notice.trust, jid), distrust: idsOf(notice.distrust, jid) }),
  )
  return trustMessage.encode({ usage: ATM_NAMESPACE, encryption: protocol, keyOwners })
}

function fingerprintBytes({ fingerprint }: KeyRef): Bytes {
  const bytes = hex.decode(fingerprint)
  if (bytes === undefined) throw new RangeError('fingerprint: not hexadecimal; give keyIdOf')
  return bytes
}

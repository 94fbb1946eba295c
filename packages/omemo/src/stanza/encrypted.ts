/**
 * `<encrypted/>`: one payload, and its key once for each device (XEP-0384 §5.5.3; 0.3.0 §4.5 and §4.6).
 *
 *     <encrypted xmlns='eu.siacs.conversations.axolotl'>   <encrypted xmlns='urn:xmpp:omemo:2'>
 *       <header sid='27183'>                                 <header sid='27183'>
 *         <key rid='31415'>…</key>                             <keys jid='juliet@capulet.lit'>
 *         <key prekey='true' rid='12321'>…</key>                 <key rid='31415'>…</key>
 *         <iv>…</iv>                                             <key kex='true' rid='12321'>…</key>
 *       </header>                                              </keys>
 *       <payload>…</payload>                                 </header>
 *     </encrypted>                                           <payload>…</payload>
 *                                                          </encrypted>
 *
 * What is written has no other child and no other attribute: python-omemo checks against the schema.
 */
import {
  attr,
  type BareJid,
  bareJid,
  base64,
  children,
  codec,
  content,
  type Element,
  inside,
  one,
  optional,
  type Scalar,
} from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import { OmemoError } from '../error.ts'
import { MAX_PAYLOAD_LENGTH } from '../payload.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../protocol.ts'
import { assertDeviceId, assertOwnId, foreignDeviceId } from './device-id.ts'
import { decodeAs, manyReadable } from './reading.ts'

/**
 * Keys in one stanza. A key exchange of omemo:2 has up to 213 bytes, 284 in base64, 330 with its element: 1000 make
 * 330 kB, which a payload of full size leaves of 1 MiB.
 */
export const MAX_KEYS = 1000

export interface EncryptedKey {
  /** The account of the device: canonical if it is a JID at all. Never there in 0.3, always in omemo:2. */
  readonly jid?: string
  /** Device id of the recipient. */
  readonly rid: number
  /** What the sender says. It is unreliable: whether `data` is a key exchange shows in `data`. */
  readonly keyExchange: boolean
  /** A ratchet message or key exchange. */
  readonly data: Bytes
}

export interface Encrypted {
  /** Device id of the sender. */
  readonly sid: number
  readonly keys: readonly EncryptedKey[]
  /** 0.3 only. */
  readonly iv?: Bytes
  readonly payload?: Bytes
}

/** How one version writes `<encrypted/>`. */
export interface EncryptedFormat {
  /**
   * @throws RangeError for an id out of range, no key or more than `MAX_KEYS`, or a payload that is too long;
   *   TypeError for a key without JID or a message without IV where the version needs one
   */
  encode(encrypted: Encrypted): Element
  /**
   * Leaves out keys that cannot be read, since they are other devices' as a rule, and must not cost all others
   * theirs. They count for `MAX_KEYS`.
   *
   * @throws OmemoError `message-malformed`
   */
  decode(el: Element): Encrypted
}

const payload: Scalar<Bytes> = {
  expected: `at most ${MAX_PAYLOAD_LENGTH} bytes in base64`,
  decode: (text) => {
    const bytes = base64().decode(text)
    return bytes && bytes.length <= MAX_PAYLOAD_LENGTH ? bytes : undefined
  },
  encode: base64().encode,
}

// Flags are written only where true: python-omemo before 1.2 takes any value for true. They are read as any text.
const axolotlKey = codec(AXOLOTL, 'key', {
  rid: attr('rid', foreignDeviceId),
  keyExchange: optional(attr('prekey')),
  data: content(base64()),
})

const axolotlEncrypted = codec(AXOLOTL, 'encrypted', {
  header: one(
    codec(AXOLOTL, 'header', {
      sid: attr('sid', foreignDeviceId),
      keys: manyReadable(axolotlKey, MAX_KEYS),
      iv: optional(inside('iv', content(base64()))),
    }),
  ),
  payload: optional(inside('payload', content(payload))),
})

const omemo2Key = codec(OMEMO_2, 'key', {
  rid: attr('rid', foreignDeviceId),
  keyExchange: optional(attr('kex')),
  data: content(base64()),
})

const omemo2Keys = codec(OMEMO_2, 'keys', { jid: attr('jid'), keys: manyReadable(omemo2Key, MAX_KEYS) })

const omemo2Encrypted = codec(OMEMO_2, 'encrypted', {
  header: one(
    codec(OMEMO_2, 'header', {
      sid: attr('sid', foreignDeviceId),
      keys: manyReadable(omemo2Keys, MAX_KEYS),
    }),
  ),
  payload: optional(inside('payload', content(payload))),
})

/** Both versions. */
export const encryptedFormats: Readonly<Record<Namespace, EncryptedFormat>> = {
  [AXOLOTL]: {
    encode(encrypted) {
      const { sid, keys, iv, payload } = checked(encrypted)
      if (iv === undefined) throw new TypeError('iv: expected 12 bytes, got none')
      return axolotlEncrypted.encode({ header: { sid, keys: keys.map(toKey), iv }, payload })
    },
    decode(el) {
      const { header, payload } = decodeAs('message-malformed', () => axolotlEncrypted.decode(el))
      const { sid, iv } = header
      const keys = header.keys.map((key) => fromKey(key))
      return { sid, keys, ...(iv && { iv }), ...(payload && { payload }) }
    },
  },
  [OMEMO_2]: {
    encode(encrypted) {
      const { sid, keys, payload } = checked(encrypted)
      const groups = [...byAccount(keys)].map(([jid, group]) => ({ jid, keys: group.map(toKey) }))
      return omemo2Encrypted.encode({ header: { sid, keys: groups }, payload })
    },
    decode(el) {
      assertKeyCount(el)
      const { header, payload } = decodeAs('message-malformed', () => omemo2Encrypted.decode(el))
      const keys = header.keys.flatMap(({ jid, keys }) => {
        const account = canonical(jid)
        return keys.map((key) => ({ jid: account, ...fromKey(key) }))
      })
      return { sid: header.sid, keys, ...(payload && { payload }) }
    },
  },
}

/**
 * Keys that `keysFor` gives at most. None is authenticated before it is tried, and a try costs up to 9 sessions × (1
 * Diffie-Hellman + 1000 HMACs): 4 make 36 and 36 000 of a stanza, where 1000 keys for one device would make 9 million
 * HMACs. Two devices of one id in a room are rare already: among 1000 devices the chance is 1 in 4300.
 */
export const MAX_KEYS_TRIED = 4

/**
 * The keys that may be this device's, in document order, the first `MAX_KEYS_TRIED`. In 0.3 a key does not say whose
 * it is, and two members of a room can have devices with one id: try all that are given.
 */
export function keysFor(
  encrypted: Encrypted,
  device: { readonly jid: BareJid; readonly deviceId: number },
): readonly EncryptedKey[] {
  return encrypted.keys
    .filter(({ jid, rid }) => rid === device.deviceId && (jid === undefined || jid === device.jid))
    .slice(0, MAX_KEYS_TRIED)
}

interface WrittenKey {
  readonly rid: number
  readonly keyExchange?: string | undefined
  readonly data: Bytes
}

function toKey({ rid, keyExchange, data }: EncryptedKey): WrittenKey {
  return keyExchange ? { rid, keyExchange: 'true', data } : { rid, data }
}

function fromKey({ rid, keyExchange, data }: WrittenKey): EncryptedKey {
  return { rid, keyExchange: keyExchange === 'true' || keyExchange === '1', data }
}

function byAccount(keys: readonly EncryptedKey[]): ReadonlyMap<BareJid, readonly EncryptedKey[]> {
  const groups = new Map<BareJid, EncryptedKey[]>()
  for (const [i, key] of keys.entries()) {
    if (key.jid === undefined) throw new TypeError(`keys[${i}].jid: expected a bare JID, got none`)
    const jid = bareJid.decode(key.jid)
    if (jid === undefined) throw new RangeError(`keys[${i}].jid: expected a bare JID`)
    const group = groups.get(jid)
    if (group) group.push(key)
    else groups.set(jid, [key])
  }
  return groups
}

function canonical(jid: string): string {
  return bareJid.decode(jid) ?? jid
}

function checked(encrypted: Encrypted): Encrypted {
  assertOwnId(encrypted.sid, 'sid')
  const { length } = encrypted.keys
  if (length < 1 || length > MAX_KEYS) throw new RangeError(`keys: expected 1 to ${MAX_KEYS}, got ${length}`)
  for (const [i, { rid }] of encrypted.keys.entries()) assertDeviceId(rid, `keys[${i}].rid`)
  return encrypted
}

/** The keys of all accounts, counted before any is read. */
function assertKeyCount(el: Element): void {
  const groups = children(el, 'header').flatMap((header) => children(header, 'keys'))
  const count = groups.reduce((sum, group) => sum + children(group, 'key').length, 0)
  const path = 'encrypted/header/keys/key'
  if (count > MAX_KEYS)
    throw new OmemoError('message-malformed', `${path}: ${count}, expected ${MAX_KEYS} or less`, { path })
}

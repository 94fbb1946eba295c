/**
 * Where everything is in the store, within the scope of one account:
 *
 *     own/<fingerprint>          a secret key, as OpenPGP writes it, under its passphrase if it has one    key/own-keys.ts
 *     self                       which of them signs, and what was announced and backed up                key/own-keys.ts
 *     contact/<jid>              what an account announces, and when that was read                        key/contact.ts
 *     cert/<jid>/<fingerprint>   a certificate, merged from all that were seen, as OpenPGP writes it       key/contact.ts
 *     keys/<jid>                 the keys of an account and what is thought of them, a line each           keyring.ts
 *     seen/<ref>                 a message that was settled; the day on which it was                       message/seen.ts
 *     room/<jid>                 to whom a room's messages went last                                       room.ts
 *
 * A bare JID has no slash, so that names are unambiguous; fingerprints are lower-case hex. What is not bytes of OpenPGP,
 * lines of trust or a day is an element of `urn:xmpp-e2e:ox:1`, read by a codec: a later version has another namespace.
 */
import type { BareJid } from '@xmpp-e2e/xml'

/** @internal */
export const RECORDS = 'urn:xmpp-e2e:ox:1'

/** @internal */
export const records = {
  own: (fingerprint: string) => `own/${fingerprint}`,
  allOwn: 'own/',
  self: 'self',
  contact: (jid: BareJid) => `contact/${jid}`,
  cert: (jid: BareJid, fingerprint: string) => `cert/${jid}/${fingerprint}`,
  certsOf: (jid: BareJid) => `cert/${jid}/`,
  keysOf: (owner: BareJid) => `keys/${owner}`,
  allKeys: 'keys/',
  seen: (ref: string) => `seen/${ref}`,
  allSeen: 'seen/',
  room: (room: BareJid) => `room/${room}`,
} as const

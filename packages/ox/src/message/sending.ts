/** A message, encrypted and signed for all keys of its recipients and our own (XEP-0373 §3, XEP-0374 §2). */
import { type BareJid, child, type Element, type Jid, parseJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { encodeContent } from '../elements/content.ts'
import { openpgpElement, openpgpOf } from '../elements/openpgp-element.ts'
import { keysOf } from '../keyring.ts'
import * as openpgp from '../openpgp/message.ts'
import type { SecretKey } from '../openpgp/secret-key.ts'
import type { Abortable } from '../options.ts'
import type { ContentKind, Encrypted, RefusalCode, Refused, Signed } from '../outcome.ts'
import { records } from '../record.ts'
import { membersOf } from '../room.ts'
import { type MessageParts, namesOf, partsOf, signedStanzaOf, stanzaOf } from './content-of.ts'
import { MAX_RECIPIENT_KEYS, type Recipients, recipientsOf } from './recipients.ts'

/** @internal `<signcrypt/>`. @throws {TypeError} on what is no message to them; the signal's reason */
export async function encrypt(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Encrypted> {
  const prepared = await prepare(account, 'signcrypt', message, to, options)
  if ('kind' in prepared) return prepared
  const signing = await signingKey(account)
  if (typeof signing === 'string') return refused(signing)
  const recipients = await reachable(account, prepared.readers, options)
  if ('kind' in recipients) return recipients
  const now = account.clock.now()
  const bytes = await openpgp.signcrypt(prepared.content, signing, recipients.certificates, now)
  return encrypted(message, bytes, prepared.parts, recipients)
}

/** @internal `<crypt/>`: nobody's. */
export async function encryptUnsigned(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Encrypted> {
  const prepared = await prepare(account, 'crypt', message, to, options)
  if ('kind' in prepared) return prepared
  const recipients = await reachable(account, prepared.readers, options)
  if ('kind' in recipients) return recipients
  const bytes = await openpgp.crypt(prepared.content, recipients.certificates, account.clock.now())
  return encrypted(message, bytes, prepared.parts, recipients)
}

/** @internal `<sign/>`: readable by everybody. */
export async function sign(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Signed> {
  const prepared = await prepare(account, 'sign', message, to, options)
  if ('kind' in prepared) return prepared
  const signing = await signingKey(account)
  if (typeof signing === 'string') return refused(signing)
  const bytes = await openpgp.sign(prepared.content, signing, account.clock.now())
  const keys = await keysOf(account, account.jid)
  const key = keys.find(({ fingerprint }) => fingerprint === signing.certificate.fingerprint)
  if (key === undefined) return refused('key-missing')
  const stanza = signedStanzaOf(message, openpgpElement(bytes), prepared.parts)
  const { content, withheld } = prepared.parts
  return { kind: 'signed', stanzas: [stanza], key, exposed: namesOf(content), withheld: namesOf(withheld) }
}

interface Prepared {
  readonly content: Uint8Array
  readonly parts: MessageParts
  /** Whose keys it is encrypted to. */
  readonly readers: readonly BareJid[]
}

async function prepare(
  account: Account,
  kind: ContentKind,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Prepared | Refused> {
  const address = addressOf(message)
  if (!Array.isArray(to)) throw new TypeError('to: expected an array of bare JIDs')
  const isRoom = message.attrs.type === 'groupchat'
  if (!isRoom) assertAddressees(address, to)
  if (await isPrivate(account, message, address)) return refused('room-private-message')
  const parts = partsOf(message)
  if (parts.content.length === 0) return refused('content-missing')
  const readers = isRoom ? await membersOf(account, address.bare, to, options) : to
  if (typeof readers === 'string') return refused(readers)
  try {
    const time = new Date(account.clock.now())
    const addressed = isRoom ? [address.bare] : [...new Set(to)]
    const content = encodeContent({ kind, to: addressed, time, payload: parts.content }, account.random)
    return { content, parts, readers }
  } catch (error) {
    if (error instanceof RangeError) return refused('content-too-long')
    throw error
  }
}

/** @throws TypeError, RangeError for what is no message to somebody */
function addressOf(message: Element): Jid {
  const { name, ns, attrs } = message
  if (name !== 'message' || ns !== 'jabber:client' || attrs.type === 'error')
    throw new TypeError('message: expected a <message/> of jabber:client, not of type error')
  if (openpgpOf(message) !== undefined) throw new TypeError('message: it is encrypted already')
  if (attrs.to === undefined) throw new TypeError('message: expected `to`')
  let address: Jid
  try {
    address = parseJid(attrs.to)
  } catch (cause) {
    throw new RangeError('message: `to` is no JID', { cause })
  }
  if (attrs.type === 'groupchat' && address.full !== undefined)
    throw new RangeError('message: expected `to` of a room, without a nickname')
  return address
}

/** Recipients compare them with where the message comes in. */
function assertAddressees(address: Jid, to: readonly BareJid[]): void {
  if (!to.includes(address.bare))
    throw new RangeError('to: expected bare JIDs, the one that the message is addressed to among them')
}

/** XEP-0045 §7.5: the mark of one, or the occupant of a room that is known here. */
async function isPrivate(account: Account, message: Element, address: Jid): Promise<boolean> {
  if (child(message, 'x', 'http://jabber.org/protocol/muc#user')) return true
  if (address.full === undefined) return false
  const [room] = await account.store.read([records.room(address.bare)])
  return room?.value !== undefined
}

async function signingKey({ own }: Account): Promise<SecretKey | 'key-missing' | 'key-locked'> {
  const key = await own.signing()
  if (key === undefined || key.certificate.revoked !== undefined) return 'key-missing'
  if (!key.isLocked) return key
  return (await own.ask(key.certificate.fingerprint)) ?? 'key-locked'
}

async function reachable(
  account: Account,
  readers: readonly BareJid[],
  options: Abortable,
): Promise<Recipients | Refused> {
  const recipients = await recipientsOf(account, readers, options)
  const { isReached, ask, skipped, certificates } = recipients
  if (!isReached || certificates.length === 0)
    return refused(ask.length > 0 ? 'keys-undecided' : 'recipients-unreachable', { ask, skipped })
  return certificates.length > MAX_RECIPIENT_KEYS ? refused('recipients-too-many', { skipped }) : recipients
}

function encrypted(
  message: Element,
  bytes: Uint8Array,
  parts: MessageParts,
  recipients: Recipients,
): Encrypted {
  const { keys, skipped } = recipients
  const stanza = stanzaOf(message, openpgpElement(bytes), parts)
  const [exposed, withheld] = [namesOf(parts.outside), namesOf(parts.withheld)]
  return { kind: 'encrypted', stanzas: [stanza], keys, skipped, exposed, withheld }
}

function refused(
  code: RefusalCode,
  { ask = [], skipped = [] }: Partial<Omit<Refused, 'kind' | 'code'>> = {},
): Refused {
  return { kind: 'refused', code, ask, skipped }
}

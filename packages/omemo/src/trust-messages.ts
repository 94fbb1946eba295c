/**
 * Trust messages of automatic trust management (XEP-0434, XEP-0450), when the policy wants them. They go only through
 * omemo:2, whose envelope has a sender and a time, and only to keys that are verified.
 */

import { bytesToHex } from '@noble/hashes/utils.js'
import type { HandleOptions, QueuedEffect, Reader } from '@xmpp-e2e/store'
import {
  type KeyRef,
  noticeElement,
  receiveTrustMessage,
  type TrustMessage,
  trustMessage,
} from '@xmpp-e2e/trust'
import { type BareJid, type Element, element, ShapeError } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Bytes } from './bytes.ts'
import { decodeContact } from './device/contact.ts'
import { storedKeys } from './key-records.ts'
import { type Introduction, introduce, type Meeting, openBook } from './keyring.ts'
import { type FannedOut, fanOut } from './message/fan-out.ts'
import { sealedEnvelope } from './message/sending.ts'
import type { SkipCode } from './outcome.ts'
import { OMEMO_2 } from './protocol.ts'
import { records } from './record.ts'
import { messageChildren } from './stanza/message.ts'
import { decodeNotice, fingerprintOfKeyId, keyIdOf, type PendingNotice, stillTrue } from './trust-notices.ts'

/**
 * @internal Within a change, instead of `meet`: introduces the sender's key and acts on a `<trust-message/>` out of its
 * omemo:2 envelope. `sender` is the key that has authenticated it; `at` is the time in the envelope, without which
 * XEP-0434 §5.2.1 gives it no meaning. One that is malformed is none.
 */
export async function receiveTrust(
  account: Account,
  reader: Reader,
  sender: Introduction,
  { element, at }: { readonly element: Element; readonly at: Date | undefined },
): Promise<Meeting> {
  const book = await openBook(account, reader, [sender.owner])
  await introduce(book, [sender])
  const message = at && account.policy.trustMessages ? readMessage(element) : undefined
  if (at !== undefined && message !== undefined) {
    // Contacts speak about themselves alone: what else they name is not worth reading.
    const isOwn = sender.owner === account.jid
    const keyOwners = message.keyOwners.filter(({ jid }) => isOwn || jid === sender.owner)
    // Which statements can wait depends on who has sent those that do.
    const others = book.waiting().flatMap((waiting) => [waiting.sender.owner, waiting.about.owner])
    await book.include([...keyOwners.map(({ jid }) => jid), ...others])
    book.take('all', (keyring, endpoint) =>
      receiveTrustMessage(keyring, endpoint, {
        message: { ...message, keyOwners },
        sender: { owner: sender.owner, fingerprint: sender.fingerprint },
        at,
        now: new Date(account.clock.now()),
        fingerprintOf: (id, owner) => fingerprintOfKeyId(id, knownOf(account, book.keysOf(owner), owner)),
      }),
    )
  }
  return { keys: [book.find(sender)], ...book.close([sender]) }
}

/** Those that are known, this device's own one included: others name it, too. */
function knownOf({ jid, self }: Account, keys: readonly KeyRef[], owner: BareJid): readonly KeyRef[] {
  return owner === jid ? [...keys, { owner, fingerprint: self.fingerprint }] : keys
}

function readMessage(element: Element): TrustMessage | undefined {
  try {
    return trustMessage.decode(element)
  } catch (error) {
    if (error instanceof ShapeError) return undefined
    throw error
  }
}

/**
 * @internal Sends a trust message, to those of its recipients that can be reached; they are told once. What has been
 * decided otherwise since is not told, and nobody who is not verified any more.
 *
 * @throws what `send` rejects with, and an error while everybody is out of reach for now: it is tried again
 */
export async function handleSendTrust(
  account: Account,
  effect: QueuedEffect,
  { signal }: HandleOptions,
): Promise<void> {
  const queued = decodeNotice(effect.payload)
  const owners = [...new Set([account.jid, queued.to, ...queued.about.map(({ owner }) => owner)])]
  const known = async () =>
    (await Promise.all(owners.map((owner) => storedKeys(account.store, owner)))).flat()
  const keys = await known()
  const notice = stillTrue(queued, keys)
  const { to, recipients, about } = notice
  if (!account.policy.trustMessages || recipients.length === 0 || about.length === 0) return
  const message = await elementOf(account, notice)
  const isRecipient = new Set(recipients)
  const isVerified = new Set(
    keys.flatMap(({ owner, level, fingerprint }) =>
      owner === account.jid && level === 'verified' ? fingerprint : [],
    ),
  )
  const outcome = await fanOut(account, {
    to: [to],
    // Carbons bring it to our other devices (XEP-0450 §4.2.1): they are to know what it is.
    withOwn: true,
    sealed: new Map([[OMEMO_2, sealedEnvelope(account, [message], to)]]),
    isMeantKey: ({ owner, fingerprint }) => (owner === to ? isRecipient : isVerified).has(fingerprint),
    signal,
  })
  if (outcome.kind === 'encrypted') {
    // Encrypting takes its time, in which somebody may have decided otherwise.
    const now = stillTrue(notice, await known())
    if (now.about.length < about.length || now.recipients.length < recipients.length)
      throw new Error('trust message: it was decided otherwise meanwhile')
    return account.connection.send(stanzaOf(account, to, outcome))
  }
  const isForNow = outcome.skipped.some(({ owner, code }) => owner === to && FOR_NOW.includes(code))
  if (isForNow) throw new Error('trust message: no recipient can be reached now')
}

const FOR_NOW: readonly SkipCode[] = ['devices-unavailable', 'bundle-unavailable']

/** XEP-0434 §5.2: type `chat` and `<store/>`, so that devices that are offline get it, too. */
function stanzaOf(
  { random }: Account,
  to: BareJid,
  { elements }: Extract<FannedOut, { readonly kind: 'encrypted' }>,
): Element {
  const attrs = { to, type: 'chat', id: bytesToHex(Uint8Array.from(random(8))) }
  return element('jabber:client', 'message', attrs, messageChildren(elements))
}

/** @internal The `<trust-message/>` of a notice, with keys as their devices have shown them. */
export async function elementOf(account: Account, { to, about, trust }: PendingNotice): Promise<Element> {
  const owners = [...new Set(about.map(({ owner }) => owner))]
  const readings = await account.store.read(owners.map(records.contact))
  const shown = new Map<string, Bytes>()
  for (const { value } of readings) {
    const contact = value && decodeContact(value)
    for (const { edwards, fingerprint } of contact?.devices.flatMap(({ identities }) => identities) ?? [])
      if (edwards !== undefined) shown.set(`${contact?.jid} ${fingerprint}`, edwards)
  }
  const notice = { to, recipients: [], trust: trust ? about : [], distrust: trust ? [] : about }
  return noticeElement(notice, OMEMO_2, (key) => keyIdOf(key, shown.get(`${key.owner} ${key.fingerprint}`)))
}

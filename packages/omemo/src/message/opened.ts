/** What is stored, told and done once an element was opened. */
import type { Effect, Put, Reader } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { Account } from '../account.ts'
import { sameBytes } from '../bytes.ts'
import {
  type Contact,
  encodeContact,
  type KnownIdentity,
  withDevice,
  withIdentity,
  withUse,
} from '../device/contact.ts'
import type { OmemoEvent } from '../event.ts'
import { type Meeting, meet } from '../keyring.ts'
import { OMEMO_2, protocols } from '../protocol.ts'
import { records } from '../record.ts'
import type { Arrival } from '../session-list.ts'
import { putList, recordsOfForgotten } from '../session-records.ts'
import type { OpenedElement } from './opening.ts'

/** @internal What is to be written, told and done about an element that was opened, and whose key it is. */
export interface NotedElement {
  readonly key: Key
  readonly put: readonly Put[]
  readonly delete: readonly string[]
  readonly events: readonly OmemoEvent[]
  readonly effects: readonly Effect[]
}

/**
 * @internal Within the same change: meets the sender's key, unless `introduce` does something else instead, and notes
 * the identity of the device. `note` may change the contact further.
 */
export async function noteOpened(
  account: Account,
  reader: Reader,
  element: Pick<
    OpenedElement<unknown>,
    'list' | 'before' | 'opened' | 'arrival' | 'contact' | 'storedContact' | 'put' | 'delete' | 'effects'
  >,
  options: {
    readonly introduce?: ((reader: Reader) => Promise<Meeting>) | undefined
    readonly note?: ((contact: Contact, key: Key) => Contact) | undefined
    /** Whether its sender would have taken omemo:2. */
    readonly tellsDowngrade?: boolean | undefined
  } = {},
): Promise<NotedElement> {
  const { list, before, opened, storedContact } = element
  const { namespace, device } = list
  const owner = device.jid
  const introduced = { owner, fingerprint: list.fingerprint, device }
  const meeting = await (options.introduce?.(reader) ?? meet(account, reader, [introduced]))
  const key = meeting.keys[0] as Key
  const protocol = protocols[namespace]
  const { edwards } = protocol.readIdentity(opened.theirIdentity)
  const shown = { fingerprint: list.fingerprint, ...(namespace === OMEMO_2 && { edwards }) }
  const noted = noteIdentity(element.contact, device.id, shown, account.clock.now(), element.arrival)
  // Of messages in 0.3 only those tell that open a session: others may be late ones, from before omemo:2 was spoken.
  const isUse = namespace === OMEMO_2 || (options.tellsDowngrade && opened.usedPreKeyId !== undefined)
  const use = isUse ? withUse(noted.contact, device.id, list.fingerprint, namespace) : undefined
  const after = use?.contact ?? noted.contact
  const contact = encodeContact(options.note?.(after, key) ?? after)
  const forgotten = await recordsOfForgotten(reader, element.contact, noted.contact)
  const isSame = storedContact !== undefined && sameBytes(contact, storedContact)
  const events: OmemoEvent[] = [...meeting.events]
  if (noted.previous !== undefined)
    events.push({ kind: 'identity-changed', device, key, previous: noted.previous })
  if (use?.isNews) events.push({ kind: 'downgraded', device, key })
  // One from an archive that is older than the current session takes nobody's place.
  const isCurrent = sameBytes(opened.sessions.current.ephemeralKey, opened.ephemeralKey)
  if (opened.usedPreKeyId !== undefined && isCurrent) {
    const what = before === undefined ? 'accepted' : 'replaced'
    events.push({ kind: 'session', device, protocol: namespace, what })
  }
  return {
    key,
    put: [
      ...putList(list, opened.sessions, before),
      ...element.put,
      ...meeting.put,
      ...(isSame ? [] : [[records.contact(owner), contact] as const]),
    ],
    delete: [...element.delete, ...forgotten],
    events,
    effects: [...element.effects, ...meeting.effects],
  }
}

/** What an archive brings is no news: the identity that showed itself last stays the first. */
function noteIdentity(
  contact: Contact,
  id: number,
  shown: Pick<KnownIdentity, 'fingerprint' | 'edwards'>,
  at: number,
  { channel }: Arrival,
): ReturnType<typeof withIdentity> {
  const noted = withIdentity(contact, id, shown, at)
  const [before, after] = [contact, noted.contact].map(({ devices }) => devices.find((one) => one.id === id))
  if (channel === 'live' || before === undefined || after === undefined) return noted
  const rank = ({ fingerprint }: KnownIdentity) => {
    const index = before.identities.findIndex((one) => one.fingerprint === fingerprint)
    return index < 0 ? before.identities.length : index
  }
  const identities = [...after.identities].sort((a, b) => rank(a) - rank(b))
  return { ...noted, contact: withDevice(noted.contact, { ...after, identities }) }
}

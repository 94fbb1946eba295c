/** In words, for people and their bug reports: why a message can or cannot be read. Nothing in it is secret. */
import type { Reader } from '@xmpp-e2e/store'
import { type BareJid, encryptionName, encryptionOf, type Received } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { decodeContact, readContacts } from '../device/contact.ts'
import { decodeKeys } from '../key-records.ts'
import type { DeviceRef, UnreadableCode } from '../outcome.ts'
import type { Namespace } from '../protocol.ts'
import { records } from '../record.ts'
import { readListsOf } from '../session-records.ts'
import { encryptedElements } from '../stanza/message.ts'
import { isOwnEcho, type ReadElement, type Reading, readElements, refOf } from './candidate.ts'
import { readKept } from './kept.ts'
import { meaningOf } from './meaning.ts'
import { openFirst, recipientOf } from './opening.ts'
import { arrivalOf, sendersOf } from './receiving.ts'

/** What is wrong, and what to do about it. */
export const explanations: Readonly<Record<UnreadableCode, string>> = {
  'not-for-this-device':
    'It was not encrypted for this device. The sender did not know of it, or does not trust its key: see that the device is in the own list (diagnose), and ask for the message again.',
  'sender-unknown':
    'The room does not say who wrote it, and no session that there is fits. The sender has to write once more while their address is known.',
  'key-distrusted':
    'It was opened and is kept, but the key of its sender is not one whose messages are shown. Decide about the key (decide) to read it.',
  'archived-session-missing':
    'It is older than the sessions that there are with its device: nobody can read it here any more. Nothing to do.',
  forged: 'It contradicts itself, as no client writes it. Do not believe anything in it.',
  'message-malformed': 'It does not follow the specification. The sender has to update their client.',
  'version-unsupported': 'It is of a version of the protocol that is not known here. Update this program.',
  'message-authentication-failed':
    'No session with its device opens it: it was damaged, or the two devices no longer have the same session. If all messages of that device fail, replace the session.',
  'message-duplicate': 'It was opened before.',
  'message-gap-too-big':
    'More messages before it are missing than the protocol lets pass. Replace the session with its device.',
  'session-missing':
    'There is no session with its device. If the device is in the list of its account, a new session is opened by itself, once a day; else replace the session. The message itself is lost.',
  'pre-key-missing':
    'The sender has opened a session without a one-time prekey, which is not allowed. They have to update their client.',
  'pre-key-unknown':
    'The sender has opened a session with a one-time prekey that was used before, or never was of this device. Publish the bundle (start), and replace the session.',
  'signed-pre-key-unknown':
    'The sender has opened a session with a signed prekey that is gone: it had an old bundle. Publish the bundle (start), and replace the session.',
  'key-invalid': 'It has a public key that no honest client makes. Do not believe anything in it.',
  'identity-mismatch':
    'It has another identity key than the sessions with its device, or our own. Compare fingerprints with its sender.',
  'payload-authentication-failed':
    'Its text does not belong to its key: it was damaged, or exchanged on the way. Ask for the message again.',
  'envelope-malformed':
    'What was encrypted is no envelope as specified. The sender has to update their client.',
  'envelope-affix-mismatch':
    'What was encrypted names another sender or recipient than the message: somebody has moved it here.',
  'bundle-malformed': 'A bundle does not follow the specification.',
  'bundle-signature-invalid': 'The signature in a bundle is wrong.',
  'bundle-without-pre-keys': 'A bundle has no one-time prekeys.',
  'device-list-malformed': 'A device list does not follow the specification.',
  'state-malformed': 'What is stored was damaged. Restore a backup.',
  'device-erased': 'This device was erased: nothing can be opened here any more.',
  'state-version-unknown': 'What is stored was written by a later version of this program.',
}

/** Ids that are named; the rest is counted. */
const MAX_NAMED = 10

/** @internal Says in words why a stanza can or cannot be read. Changes nothing. */
export async function explain(account: Account, received: Received): Promise<string> {
  if (received.account !== account.jid) throw new TypeError('received: for another account')
  const { stanza } = received
  if (encryptedElements(stanza).length === 0) {
    const other = encryptionOf(stanza)
    const name = other && (other.name ?? encryptionName(other.namespace) ?? other.namespace)
    return name === undefined
      ? 'There is no OMEMO element in it: it is not encrypted with OMEMO.'
      : `There is no OMEMO element in it; it says that it is encrypted with ${name}.`
  }
  return change(account, [], async (_, reader) => {
    const lines = await describe(account, reader, received)
    return { result: lines.join('\n') }
  })
}

async function describe(account: Account, reader: Reader, received: Received): Promise<readonly string[]> {
  const recipient = recipientOf(account)
  const reading = readElements(received.stanza, recipient)
  const senders = await sendersOf(account, received, reading)
  const lines = [...reading.elements.map(elementLine), senderLine(received, senders)]
  if (reading.failure) lines.push(`An OMEMO element could not be read: ${reading.failure.message}.`)
  const echo =
    senders.length === 1
      ? reading.elements.map((el) => isOwnEcho(el, senders[0] as BareJid, recipient))
      : undefined
  if (echo?.includes('own')) return [...lines, 'This device has sent it itself: there is nothing to open.']

  if (reading.candidates.length === 0) {
    lines.push(`There is no key for this device, ${account.self.deviceId}, in it.`)
    lines.push(...(await ownListLines(account, reader, reading)))
  }
  for (const { namespace, encrypted } of reading.candidates.slice(0, 2))
    for (const jid of senders)
      lines.push(...(await sessionLines(reader, namespace, { jid, id: encrypted.sid })))
  return [...lines, await verdict(account, reader, received, reading, senders)]
}

function elementLine({ namespace, encrypted: { sid, keys, payload } }: ReadElement): string {
  const named = keys
    .slice(0, MAX_NAMED)
    .map(({ jid, rid }) => (jid === undefined ? `${rid}` : `${rid} of ${jid}`))
  const more = keys.length > MAX_NAMED ? ` and ${keys.length - MAX_NAMED} more` : ''
  const content = payload === undefined ? 'no payload' : `a payload of ${payload.length} bytes`
  return `${namespace}: from device ${sid}, with ${content}, for ${named.join(', ') || 'nobody'}${more}.`
}

function senderLine({ sender, channel }: Received, senders: readonly BareJid[]): string {
  const way = `It came by way of: ${channel}.`
  if (sender.known !== 'no') return `Its sender is ${senders.join(', ')}. ${way}`
  if (senders.length === 0) return `Nothing says who its sender is. ${way}`
  return `Nothing says for certain who its sender is; it may be ${senders.slice(0, MAX_NAMED).join(', ')}. ${way}`
}

/** Whether others can know of this device at all. */
async function ownListLines(
  account: Account,
  reader: Reader,
  { elements }: Reading,
): Promise<readonly string[]> {
  const [own] = await readContacts(reader, [account.jid])
  return elements.map(({ namespace }) => {
    const list = own?.lists[namespace]
    if (list === undefined) return `The own device list of ${namespace} was never read.`
    return list.devices.some(({ id }) => id === account.self.deviceId)
      ? `This device is in the own device list of ${namespace}: the sender has not read it since, or does not trust its key.`
      : `This device is not in the own device list of ${namespace}: nobody can encrypt to it. Publish it (start).`
  })
}

async function sessionLines(
  reader: Reader,
  namespace: Namespace,
  device: DeviceRef,
): Promise<readonly string[]> {
  const lists = await readListsOf(reader, namespace, device)
  const [bytes] = await reader.read([records.contact(device.jid)])
  const listed = bytes && decodeContact(bytes).lists[namespace]?.devices.some(({ id }) => id === device.id)
  const where = `Device ${device.id} of ${device.jid}`
  const known = listed === undefined ? 'list never read' : listed ? 'listed' : 'not listed'
  if (lists.length === 0) return [`${where} (${known}): no session in ${namespace}.`]
  return lists.map(({ ref, sessions: { current, archived } }) => {
    const state = { pending: 'not answered yet', accepted: 'accepted', confirmed: 'in use' }[
      current.exchange.state
    ]
    const rest = archived.length > 0 ? `, and ${archived.length} before it` : ''
    return `${where} (${known}): a session in ${namespace}, ${state}${rest}, with the key ${ref.fingerprint}.`
  })
}

async function verdict(
  account: Account,
  reader: Reader,
  received: Received,
  reading: Reading,
  senders: readonly BareJid[],
): Promise<string> {
  const refs = reading.candidates.flatMap((one) => senders.map((jid) => refOf(one, jid, received.chat)))
  const kept = (await readKept(reader, refs)).find((one) => one !== undefined)
  if (kept !== undefined) {
    const keys = decodeKeys((await reader.read([records.keysOf(kept.sender.jid)]))[0])
    const key = keys.find(({ fingerprint }) => fingerprint === kept.fingerprint)
    return key === undefined || account.policy.mayShow(key.level)
      ? 'It was opened, and is kept until it is settled.'
      : `key-distrusted: ${explanations['key-distrusted']} It is ${key.fingerprint} of ${key.owner}.`
  }
  const arrival = arrivalOf(received, account.clock.now())
  const opening = { reading, senders, bySession: received.sender.known === 'no', arrival }
  const result = await openFirst(account, reader, opening, (inside) => meaningOf(account, received, inside))
  if (result.kind === 'failed') return `${result.code}: ${explanations[result.code]}`
  return result.value.plaintext === undefined
    ? 'It can be opened, and there is nothing in it to show: it manages a session or trust.'
    : 'It can be opened: decrypt it.'
}

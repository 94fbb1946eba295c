/** A whole message in, whole encrypted messages out (XEP-0384 §5.5, §5.8; XEP-0420). No way leads past it for plain text. */
import type { Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import { type BareJid, child, type Element, element, type Jid, parseJid } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { encodeEnvelope } from '../envelope.ts'
import type { Encrypted, Reached, RefusalCode, Refused } from '../outcome.ts'
import { payloadCiphers } from '../payload.ts'
import { encodeBody } from '../payload-body.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../protocol.ts'
import { records } from '../record.ts'
import { audienceOf, compareAudience } from '../room.ts'
import { encryptedElements, messageChildren } from '../stanza/message.ts'
import { FALLBACK_BODY, type MessageParts, namesOf, partsOf } from './content.ts'
import { type FannedOut, fanOut, type Sealed } from './fan-out.ts'

/** @internal */
export async function encrypt(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  { signal }: { readonly signal?: Signal | undefined },
): Promise<Encrypted> {
  const address = addressOf(message)
  if (!Array.isArray(to)) throw new TypeError('to: expected an array of bare JIDs')
  const isRoom = message.attrs.type === 'groupchat'
  if (!isRoom) assertAddressee(address, to)
  if (await isPrivate(account, message, address)) return refused('room-private-message')
  const parts = partsOf(message, (el) => account.expose(el))
  if (parts.content.length === 0) return refused('content-missing')
  const sealed = sealedParts(account, parts, address.bare)
  if (sealed === undefined) return refused('content-too-long')
  const recipients = isRoom ? await membersOf(account, address, to, signal) : to
  if (typeof recipients === 'string') return refused(recipients)
  const outcome = await fanOut(account, {
    to: recipients,
    withOwn: true,
    sealed,
    signal,
    heedsOptOut: !isRoom,
  })
  return outcome.kind === 'refused' ? outcome : messageOf(message.attrs, outcome, parts)
}

/** @internal @throws RangeError when it is too long */
export function sealedEnvelope(account: Account, content: readonly Element[], to: BareJid): Sealed {
  const { jid, clock, random } = account
  const envelope = encodeEnvelope(content, { from: jid, to, time: new Date(clock.now()) }, random)
  return payloadCiphers[OMEMO_2].seal(envelope, random)
}

/** What can be said in each namespace; `undefined` when it is too long. */
function sealedParts(
  account: Account,
  { content, body }: MessageParts,
  to: BareJid,
): ReadonlyMap<Namespace, Sealed> | undefined {
  const sealed = new Map<Namespace, Sealed>()
  try {
    if (account.namespaces.includes(OMEMO_2)) sealed.set(OMEMO_2, sealedEnvelope(account, content, to))
    if (account.namespaces.includes(AXOLOTL) && body !== undefined)
      sealed.set(AXOLOTL, payloadCiphers[AXOLOTL].seal(encodeBody(body), account.random))
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
  return sealed
}

/** @throws TypeError, RangeError for what is no message to somebody */
function addressOf(message: Element): Jid {
  const { name, ns, attrs } = message
  if (name !== 'message' || ns !== 'jabber:client' || attrs.type === 'error')
    throw new TypeError('message: expected a <message/> of jabber:client, not of type error')
  if (encryptedElements(message).length > 0) throw new TypeError('message: it is encrypted already')
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

/** The envelope names one addressee, and recipients compare it with themselves. */
function assertAddressee(address: Jid, to: readonly BareJid[]): void {
  if (to.length === 0 || to.some((jid) => jid !== address.bare))
    throw new RangeError('to: expected the bare JID that the message is addressed to, and no other')
}

/** XEP-0045 §7.5: the mark of one, or the occupant of a room that is known here. */
async function isPrivate(account: Account, message: Element, address: Jid): Promise<boolean> {
  if (child(message, 'x', 'http://jabber.org/protocol/muc#user')) return true
  if (address.full === undefined) return false
  const [room] = await account.store.read([records.room(address.bare)])
  return room?.value !== undefined
}

/** To whom a message of a room goes, as given or as the room says; changes are told before anything is encrypted. */
async function membersOf(
  account: Account,
  { bare: room }: Jid,
  to: readonly BareJid[],
  signal: Signal | undefined,
): Promise<readonly BareJid[] | RefusalCode> {
  if (to.includes(room)) throw new RangeError('to: expected real addresses of members, not the room')
  const audience = await audienceOf(account, room, { signal })
  const mayDiffer = audience.kind === 'refused' && audience.code === 'room-open' && to.length > 0
  if (audience.kind === 'refused' && !mayDiffer) return audience.code
  const jids = to.length > 0 || audience.kind === 'refused' ? to : audience.jids
  const others = [...new Set(jids)].filter((jid) => jid !== account.jid)
  await change(account, [], async (_, reader) => {
    return { ...(await compareAudience(account, reader, room, others)), result: undefined }
  })
  if (signal?.aborted) throw signal.reason
  return others
}

/** @internal The stanza around what was encrypted, and what is to be told of it. */
export function messageOf(
  attrs: Element['attrs'] | { readonly to: BareJid; readonly type: string },
  { elements, reached, skipped }: Extract<FannedOut, { readonly kind: 'encrypted' }>,
  parts: Pick<MessageParts, 'exposed' | 'withheld' | 'outside'> = NO_PARTS,
): Encrypted {
  const isOlder = reached.some(({ protocol }) => protocol === AXOLOTL)
  const exposed = isOlder ? parts.exposed : []
  const names = new Set(namesOf(parts.outside))
  // Who asks that it is stored nowhere is not contradicted.
  const mayStore = !NO_STORE.some((name) => names.has(name))
  const around = messageChildren(elements, FALLBACK_BODY).filter((el) => mayStore || !isStore(el))
  const outside = parts.outside.filter((el) => !isStore(el))
  return {
    kind: 'encrypted',
    stanzas: [element('jabber:client', 'message', attrs, [...around, ...exposed, ...outside])],
    keys: keysOf(reached),
    reached,
    skipped,
    exposed: namesOf(exposed),
    withheld: isOlder ? namesOf(parts.withheld) : [],
  }
}

const NO_PARTS = { exposed: [], withheld: [], outside: [] }
const HINTS = 'urn:xmpp:hints'
const NO_STORE = [`{${HINTS}}no-store`, `{${HINTS}}no-permanent-store`]
const isStore = ({ ns, name }: Element): boolean => ns === HINTS && name === 'store'

/** Two devices can have one key. */
function keysOf(reached: readonly Reached[]): readonly Key[] {
  return [...new Map(reached.map(({ key }) => [`${key.owner}\n${key.fingerprint}`, key])).values()]
}

function refused(code: RefusalCode): Refused {
  return { kind: 'refused', code, ask: [], skipped: [] }
}

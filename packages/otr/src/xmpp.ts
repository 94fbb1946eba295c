/**
 * OTR within XMPP: XEP-0364, with the marks of XEP-0380, XEP-0334 and XEP-0280, and XEP-0378. Pure rules over elements.
 *
 *     <message to='olivia@countess.lit/veiled' type='chat'>
 *       <body>?OTR:AAMD…</body>
 *       <encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:otr:0' name='OTR'/>
 *       <no-copy xmlns='urn:xmpp:hints'/> <no-permanent-store xmlns='urn:xmpp:hints'/>
 *       <private xmlns='urn:xmpp:carbons:2'/>
 *     </message>
 */
import {
  children,
  type Element,
  element,
  elements,
  encryption,
  encryptionName,
  hint,
  isAllowedContent,
  type Received,
  text,
  withContent,
} from '@xmpp-e2e/xml'
import type { Version } from './protocol/header.ts'
import { textKind } from './protocol/text-kind.ts'

/** Names OTR in XEP-0380 and XEP-0378, and is the protocol of its keys. */
export const OTR_NAMESPACE = 'urn:xmpp:otr:0'
const CLIENT = 'jabber:client'
const CARBONS = 'urn:xmpp:carbons:2'

/** What XEP-0378 announces, and only of version 3. That somebody does not announce it says nothing: few do. */
export function featuresOf(versions: readonly Version[]): readonly string[] {
  return versions.includes(3) ? [OTR_NAMESPACE] : []
}

/** The body that is read: the one in the language of the stanza, else the first. */
export function bodyOf(message: Element): Element | undefined {
  const bodies = children(message, 'body', CLIENT)
  return bodies.find(({ attrs }) => attrs['xml:lang'] === undefined) ?? bodies[0]
}

/**
 * Whether a stanza may hold OTR: a message between two clients with a body. Every one of them has to pass, since
 * queries and tags are in plain text. Rooms have no OTR (XEP-0364 §2), and an error repeats what was sent.
 */
export function mayHoldOtr(stanza: Element): boolean {
  const { type = 'normal' } = stanza.attrs
  if (stanza.name !== 'message' || stanza.ns !== CLIENT || (type !== 'chat' && type !== 'normal'))
    return false
  return bodyOf(stanza) !== undefined
}

/**
 * The address whose conversation a message belongs to; `undefined` for one whose OTR is to be ignored: copies of what
 * went to another client (XEP-0364 §4.2), what was kept for later, whose keys are gone, and what came through a room.
 *
 * When a stream is resumed, servers mark what they held back meanwhile like what they kept for later (XEP-0198 §5,
 * XEP-0203), but the keys are there still: `isUnderWay` says whether there is a session or a key exchange with an
 * address. Every other one has ended with the stream, or never begun.
 */
export function peerOf(
  { stanza, sender, channel }: Received,
  isUnderWay: (address: string) => boolean = () => false,
): string | undefined {
  if (sender.known !== 'stream' || !mayHoldOtr(stanza)) return undefined
  const isForUs = channel === 'live' || (channel === 'offline' && isUnderWay(sender.jid))
  return isForUs ? sender.jid : undefined
}

/** Whether a text means something to OTR, so that nobody should see it as it is. */
export function isOtr(body: string): boolean {
  const kind = textKind(body)
  return kind !== 'plain' && kind !== 'tagged'
}

/** A message with a text of OTR's own, such as a query or a step of a key exchange. */
export function controlStanza(to: string, body: string): Element {
  return element(CLIENT, 'message', { to, type: 'chat' }, [bodyElement(body), ...marksOf(to, body)])
}

/** What `message` becomes: several stanzas if it had to be cut. What servers may read of it is in the last one. */
export function encryptedStanzas(
  message: Element,
  to: string,
  texts: readonly string[],
): readonly [Element, ...Element[]] {
  const [first = '', ...others] = texts
  const { type = 'chat', id } = message.attrs
  const all = [first, ...others].map((body, index) => {
    // Who answers, by a receipt say, answers the one with which the message was complete.
    const isLast = index === others.length
    const attrs = { to, type, ...(isLast && id !== undefined && { id }) }
    const rest = isLast ? partsOf(message).exposed : []
    return element(CLIENT, 'message', attrs, [bodyElement(body), ...rest, ...marksOf(to, body)])
  })
  return all as [Element, ...Element[]]
}

/** The same message with another text. */
export function withBody(message: Element, body: string): Element {
  const old = bodyOf(message)
  const { attrs } = message
  return element(
    message.ns,
    message.name,
    attrs,
    message.children.map((node) => (node === old ? bodyElement(body) : node)),
  )
}

/** What a message says, as far as OTR can carry it, and what becomes of the rest. */
export interface MessageParts {
  readonly text: string
  /** Stays readable beside the ciphertext. */
  readonly exposed: readonly Element[]
  /** Is left out. */
  readonly withheld: readonly Element[]
}

const EXPOSED: ReadonlyMap<string, RegExp> = /* @__PURE__ */ new Map([
  ['urn:xmpp:message-correct:0', /^replace$/],
  ['urn:xmpp:receipts', /^(?:request|received)$/],
  ['urn:xmpp:chat-markers:0', /^(?:markable|received|displayed|acknowledged)$/],
  ['http://jabber.org/protocol/chatstates', /^(?:active|composing|paused|inactive|gone)$/],
  [CLIENT, /^thread$/],
  ['urn:xmpp:sid:0', /^origin-id$/],
])

/** Takes a message apart into what is encrypted and what is not (XEP-0364 §4.1). */
export function partsOf(message: Element): MessageParts {
  const body = bodyOf(message)
  const besides = elements(message).filter((el) => el !== body && isAllowedContent(el) && el.ns !== CARBONS)
  // A second body, in another language, would be the text in the clear.
  const exposed = besides.filter(({ ns, name }) => EXPOSED.get(ns)?.test(name))
  return {
    text: body === undefined ? '' : text(body),
    exposed,
    withheld: besides.filter((el) => !exposed.includes(el)),
  }
}

/** What was decrypted, where the ciphertext was, and what stood beside it, which anybody on the way may have written. */
export function decryptedStanza(
  outer: Element,
  plaintext: string,
): {
  readonly content: readonly Element[]
  readonly stanza: Element
  readonly unauthenticated: readonly Element[]
} {
  const content = [bodyElement(plaintext)]
  const isBody = ({ ns, name }: Element) => ns === CLIENT && name === 'body'
  const unauthenticated = elements(outer).filter(
    (el) => isAllowedContent(el) && !isBody(el) && el.ns !== CARBONS,
  )
  return { content, stanza: withContent(outer, content), unauthenticated }
}

/** A peer's text may have characters that no XML can carry. */
function bodyElement(body: string): Element {
  return element(CLIENT, 'body', {}, body.replace(NOT_XML, '\ufffd'))
}

// XML 1.0 §2.2, by what it allows.
const NOT_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

/** XEP-0364 §4.3 and §4.4. A query is in plain text, and no encrypted message. */
function marksOf(to: string, body: string): readonly Element[] {
  const kind = textKind(body)
  const mark = { namespace: OTR_NAMESPACE, name: encryptionName(OTR_NAMESPACE) }
  return [
    ...(kind === 'encoded' || kind === 'fragment' ? [encryption.encode(mark)] : []),
    // For full JIDs only (XEP-0334 §4.3).
    ...(to.includes('/') ? [hint('no-copy')] : []),
    hint('no-permanent-store'),
    element(CARBONS, 'private'),
  ]
}

/** `{namespace}name`, each once. */
export function namesOf(found: readonly Element[]): readonly string[] {
  return [...new Set(found.map(({ ns, name }) => `{${ns}}${name}`))]
}

/**
 * What of a message goes where. omemo:2 encrypts everything that is not for servers; 0.3 can encrypt the text of one
 * body, so of everything else a few things stay readable beside it and the rest is withheld from its devices.
 *
 * |                          | omemo:2  | beside a 0.3 payload            | outside, always |
 * | ------------------------ | -------- | ------------------------------- | --------------- |
 * | body                     | envelope | payload                         |                 |
 * | what `expose` says yes to | envelope | readable, reported as `exposed` |                 |
 * | other content            | envelope | `withheld`                      |                 |
 * | hints, addresses, …      |          |                                 | as it is        |
 * | what servers say, EME    |          |                                 | left out        |
 */
import { type Element, elements, isAllowedContent, text } from '@xmpp-e2e/xml'

/** What stands in the place of a body for clients that do not know 0.3; never beside omemo:2 alone (XEP-0420 §7). */
export const FALLBACK_BODY =
  'This message is encrypted with OMEMO, which your client does not seem to support.'

/** @internal */
export interface MessageParts {
  /** For the envelope of omemo:2. */
  readonly content: readonly Element[]
  /** For a payload of 0.3, which needs one. */
  readonly body: string | undefined
  /** What stays readable where a device of 0.3 is reached. */
  readonly exposed: readonly Element[]
  /** What devices of 0.3 do not get. */
  readonly withheld: readonly Element[]
  /** What servers are to read. */
  readonly outside: readonly Element[]
}

/** Namespace to names. Each says little of what is said, and clients of 0.3 expect it where it is. */
const EXPOSABLE: ReadonlyMap<string, RegExp> = new Map([
  ['urn:xmpp:message-correct:0', /^replace$/],
  ['urn:xmpp:receipts', /^(?:request|received)$/],
  ['urn:xmpp:chat-markers:0', /^(?:markable|received|displayed|acknowledged)$/],
  ['http://jabber.org/protocol/chatstates', /^(?:active|composing|paused|inactive|gone)$/],
  ['jabber:client', /^thread$/],
  ['urn:xmpp:sid:0', /^origin-id$/],
])

/**
 * What may stay readable beside a 0.3 payload unless the application decides: corrections (XEP-0308), receipts (XEP-0184),
 * markers (XEP-0333), chat states (XEP-0085), threads and origin ids (XEP-0359). Not reactions, subjects and links, which
 * say what is said.
 */
export function isExposable({ ns, name }: Element): boolean {
  return EXPOSABLE.get(ns)?.test(name) ?? false
}

/** What a sender tells servers: XEP-0334, XEP-0033, and XEP-0280 §6.1 `<private/>`. */
const OUTSIDE: ReadonlyMap<string, RegExp> = new Map([
  ['urn:xmpp:hints', /^(?:store|no-store|no-copy|no-permanent-store)$/],
  ['http://jabber.org/protocol/address', /^addresses$/],
  ['urn:xmpp:carbons:2', /^private$/],
])

/** @internal */
export function partsOf(message: Element, expose: (element: Element) => boolean): MessageParts {
  const given = elements(message)
  const content = given.filter(isAllowedContent)
  const body = bodyOf(content)
  const besides = content.filter((el) => el !== body)
  // A second body, in another language, would be the text in the clear.
  const mayShow = (el: Element): boolean => !isBody(el) && expose(el)
  return {
    content,
    body: body && text(body),
    exposed: besides.filter(mayShow),
    withheld: besides.filter((el) => !mayShow(el)),
    outside: given.filter(({ ns, name }) => OUTSIDE.get(ns)?.test(name) ?? false),
  }
}

/** The body that 0.3 carries: the one in the language of the stanza, else the first; one without text is none. */
function bodyOf(content: readonly Element[]): Element | undefined {
  const bodies = content.filter((el) => isBody(el) && text(el) !== '')
  return bodies.find(({ attrs }) => attrs['xml:lang'] === undefined) ?? bodies[0]
}

function isBody({ ns, name }: Element): boolean {
  return ns === 'jabber:client' && name === 'body'
}

/** @internal `{namespace}name`, each once. */
export function namesOf(found: readonly Element[]): readonly string[] {
  return [...new Set(found.map(({ ns, name }) => `{${ns}}${name}`))]
}

/**
 * What of a message goes where: everything that is not for servers is encrypted; hints, addresses and the wish for no
 * carbons stay outside; what only servers may say is left out.
 */
import {
  child,
  type Element,
  element,
  elements,
  encryption,
  encryptionName,
  hint,
  hintsOf,
  isAllowedContent,
} from '@xmpp-e2e/xml'
import { OX_NAMESPACE } from '../elements/content.ts'

/** What clients show that do not know OpenPGP (XEP-0374 §2.5). */
export const FALLBACK_BODY = 'This message is encrypted using OpenPGP.'

/** What a sender tells servers: XEP-0334, XEP-0033, and XEP-0280 §6.1 `<private/>`. */
const OUTSIDE: ReadonlyMap<string, RegExp> = /* @__PURE__ */ new Map([
  ['urn:xmpp:hints', /^(?:store|no-store|no-copy|no-permanent-store)$/],
  ['http://jabber.org/protocol/address', /^addresses$/],
  ['urn:xmpp:carbons:2', /^private$/],
])

/** @internal */
export interface MessageParts {
  /** For the payload. */
  readonly content: readonly Element[]
  /** What servers are to read. */
  readonly outside: readonly Element[]
  /** What only servers may say. */
  readonly withheld: readonly Element[]
}

/** @internal */
export function partsOf(message: Element): MessageParts {
  const given = elements(message)
  const isOutside = ({ ns, name }: Element) => OUTSIDE.get(ns)?.test(name) ?? false
  return {
    content: given.filter((el) => isAllowedContent(el) && !isOutside(el)),
    outside: given.filter(isOutside),
    withheld: given.filter((el) => !isAllowedContent(el) && !isOutside(el)),
  }
}

/**
 * @internal The stanza around what was encrypted: mark, a wish to be stored unless the sender has others, and a fallback for a
 * body. What has none, such as that somebody is typing, would be a message for clients that do not know OpenPGP.
 */
export function stanzaOf(message: Element, openpgp: Element, { content, outside }: MessageParts): Element {
  const mark = { namespace: OX_NAMESPACE, name: encryptionName(OX_NAMESPACE) }
  const hints = hintsOf(message)
  const mayStore = !hints.has('no-store') && !hints.has('no-permanent-store')
  const isStore = ({ ns, name }: Element) => ns === 'urn:xmpp:hints' && name === 'store'
  return element('jabber:client', 'message', message.attrs, [
    ...(content.some(isBody) ? [element('jabber:client', 'body', {}, FALLBACK_BODY)] : []),
    openpgp,
    encryption.encode(mark),
    ...(mayStore ? [hint('store')] : []),
    ...outside.filter((el) => !isStore(el)),
  ])
}

function isBody({ ns, name }: Element): boolean {
  return ns === 'jabber:client' && name === 'body'
}

/** @internal The stanza around what was only signed: everybody may read it as well as its signature. */
export function signedStanzaOf(message: Element, openpgp: Element, { outside }: MessageParts): Element {
  const body = child(message, 'body', 'jabber:client')
  return element('jabber:client', 'message', message.attrs, [...(body ? [body] : []), openpgp, ...outside])
}

/** @internal `{namespace}name`, each once. */
export function namesOf(found: readonly Element[]): readonly string[] {
  return [...new Set(found.map(({ ns, name }) => `{${ns}}${name}`))]
}

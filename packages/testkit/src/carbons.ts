/**
 * XEP-0280: copies for the other clients of an account.
 *
 *     <message from='account' to='account/other'>  <received xmlns='…'>  <forwarded>  <message/>
 *
 * `sent` is of what one of its clients sent, `received` of what was delivered to another one.
 */

import { child, type Element, element, elements, hintsOf } from '@xmpp-e2e/xml'
import { withStanzaId } from './archive.ts'
import { CARBONS, CLIENT, FORWARD, MUC_USER } from './namespaces.ts'
import type { Request } from './request.ts'
import type { Account, Server, Session } from './server.ts'
import { refusal, replaceChildren } from './stanza.ts'

// §6.1: receipts, chat states, markers; XEP-0249 invitations.
const IM_PAYLOADS: readonly string[] = [
  'urn:xmpp:receipts',
  'http://jabber.org/protocol/chatstates',
  'urn:xmpp:chat-markers:0',
  'jabber:x:conference',
]

/** Answers `<enable/>` and `<disable/>` (§4, §5). */
export function answerCarbons({ session, account, from, iq, payload }: Request): readonly Element[] {
  if (from.bare !== account.jid) throw refusal(iq, 'forbidden')
  if (iq.attrs.type !== 'set' || !/^(?:en|dis)able$/.test(payload.name)) throw refusal(iq, 'bad-request')
  session.carbons = payload.name === 'enable'
  return []
}

/** §6.1: the rules that are recommended, which the feature `urn:xmpp:carbons:rules:0` promises. */
function isEligible(message: Element, direction: 'sent' | 'received'): boolean {
  const { type = 'normal' } = message.attrs
  if (child(message, 'private', CARBONS) || hintsOf(message).has('no-copy') || type === 'groupchat')
    return false
  const user = child(message, 'x', MUC_USER)
  if (user && child(user, 'invite')) return true
  // The room sends to every client that has joined it.
  if (user && direction === 'received') return false
  if (type === 'chat' || elements(message).some(({ ns }) => IM_PAYLOADS.includes(ns))) return true
  return type === 'normal' && child(message, 'body') !== undefined
}

/** Copies for all clients that want them, except those named; `archiveId` marks a message that is not marked yet. */
export function sendCarbons(
  server: Server,
  account: Account,
  message: Element,
  direction: 'sent' | 'received',
  except: readonly Session[],
  archiveId?: string,
): void {
  const sessions = [...account.sessions.values()].filter(
    (session) => session.carbons && session.presence && !except.includes(session),
  )
  if (sessions.length === 0 || !isEligible(message, direction)) return
  const marked = archiveId === undefined ? message : withStanzaId(message, account.jid, archiveId)
  const copy = element(CARBONS, direction, {}, element(FORWARD, 'forwarded', {}, withoutPrivate(marked)))
  for (const session of sessions) {
    const { type } = message.attrs
    server.transmit(session, element(CLIENT, 'message', { from: account.jid, to: session.jid, type }, copy))
  }
}

/** §9: the mark is for the server. */
export function withoutPrivate(message: Element): Element {
  if (!child(message, 'private', CARBONS)) return message
  const rest = message.children.filter((node) => typeof node === 'string' || node.ns !== CARBONS)
  return replaceChildren(message, rest)
}

/** RFC 6121 §8.5: where a message goes that is for an account here. */

import { child, type Element, type Jid, parseJid } from '@xmpp-e2e/xml'
import { isArchived, withStanzaId } from './archive.ts'
import { sendCarbons, withoutPrivate } from './carbons.ts'
import { MUC_USER } from './namespaces.ts'
import { keepOffline } from './offline.ts'
import { type Account, available, findSession, type Server, type Session } from './server.ts'

/**
 * Delivers a message to an account or one of its clients; says whether anybody or anything took it. What does not take
 * it and must not be answered with an error is dropped, which counts as taken.
 */
export function routeMessage(server: Server, stanza: Element): boolean {
  const to = parseJid(stanza.attrs.to ?? '')
  const account = server.accounts.get(to.bare)
  if (!account) return false
  const id = archive(server, account, stanza, stanza.attrs.from ?? '')
  return deliver(server, account, withStanzaId(stanza, account.jid, id), to)
}

/** Delivers what is in the archive already. */
export function deliver(server: Server, account: Account, marked: Element, to: Jid): boolean {
  const message = withoutPrivate(marked)
  const targets = targetsOf(server, account, message, to)
  for (const session of targets) server.transmit(session, message)
  if (targets.length > 0) sendCarbons(server, account, marked, 'received', targets)
  const { type = 'normal' } = message.attrs
  if (targets.length > 0 || type === 'error' || type === 'headline') return true
  if (type === 'groupchat' || isPrivate(message)) return false
  return keepOffline(server, account, message) || !child(message, 'body')
}

/** Keeps a message in the account's archive, if it is of a kind that is kept; gives its id there. */
export function archive(
  server: Server,
  account: Account,
  message: Element,
  other: string,
): string | undefined {
  if (message.attrs.type === 'groupchat' || isPrivate(message) || !isArchived(message, server.quirks))
    return undefined
  const id = server.newId()
  const honest = withoutPrivate(withStanzaId(message, account.jid, undefined))
  account.archive.push({ id, at: server.clock.now(), with: parseJid(other).bare, message: honest })
  return id
}

// Of a room's occupant (XEP-0045 §7.5): for the client that is in the room.
function isPrivate(message: Element): boolean {
  const user = child(message, 'x', MUC_USER)
  return user !== undefined && user.children.length === 0
}

function targetsOf(server: Server, account: Account, message: Element, to: Jid): readonly Session[] {
  const { type = 'normal' } = message.attrs
  const exact = findSession(server, to)
  if (exact) return [exact]
  // §8.5.3.2: only chat and normal messages to a client that is gone are for the others.
  if (to.full && type !== 'chat' && type !== 'normal') return []
  if ((to.full && isPrivate(message)) || type === 'groupchat' || type === 'error') return []
  const willing = available(account).filter(({ priority }) => priority >= 0)
  if (type === 'headline') return willing
  const highest = Math.max(...willing.map(({ priority }) => priority))
  return willing.filter(({ priority }) => priority === highest)
}

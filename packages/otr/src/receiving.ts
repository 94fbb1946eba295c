/** A message as it came in, and what it is to the application. */
import { bytesToHex } from '@noble/ciphers/utils.js'
import { bare, type Element, parseJid, type Received, text } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Conversations } from './conversations.ts'
import { keyOf } from './keyring.ts'
import type { Decrypted, UnreadableCode, WarningCode } from './outcome.ts'
import { NO_AKE } from './protocol/ake.ts'
import {
  type Conversation,
  findInstance,
  isEncrypted,
  type OtrStep,
  putInstance,
  quiet,
} from './protocol/conversation.ts'
import type { DroppedReason } from './protocol/event.ts'
import { isHandshaking } from './protocol/handshake.ts'
import { receive } from './protocol/incoming.ts'
import { findWhitespaceTag } from './protocol/query.ts'
import { bodyOf, decryptedStanza, isOtr, mayHoldOtr, OTR_NAMESPACE, peerOf, withBody } from './xmpp.ts'

const REF_BYTES = 16

/** @internal */
export async function decrypt(
  account: Account,
  conversations: Conversations,
  received: Received,
): Promise<Decrypted> {
  if (received.account !== account.jid) throw new TypeError('received: of another account')
  const body = bodyOf(received.stanza)
  if (body === undefined) return { kind: 'silent', why: 'ignored' }
  const words = text(body)
  const address = peerOf(received, () => true)
  if (address === undefined) return notForUs(account, conversations, received, words, 'ignored')
  if (address === account.connection.jid) return notForUs(account, conversations, received, words, 'own')
  const contact = bare(address)
  return conversations.inTurn(contact, async () => {
    if (peerOf(received, (one) => isUnderWay(conversations.get(one))) === undefined)
      return notForUs(account, conversations, received, words, 'ignored')
    const isPrivate = conversations.isPrivate(contact, address)
    const step = await conversations.perform(address, (conversation, means) =>
      receive(conversation, words, means),
    )
    if (!step.isOver && isAnothers(received, step)) await conversations.perform(address, yieldHandshake)
    const decrypted = await outcomeOf(account, conversations, received, address, step, isPrivate)
    if (decrypted.kind === 'plain' && findWhitespaceTag(words) === undefined)
      await declineTags(conversations, contact)
    return decrypted
  })
}

/**
 * Some programs send version 2 to the bare JID, so that all clients of the account get the query, and answer. The peer
 * has one conversation with all of them, and ends the key exchange with one: the others see a signature that is not for
 * them. Were they to insist, they would take the session away.
 */
function isAnothers({ stanza }: Received, { conversation, events }: OtrStep): boolean {
  const { to } = stanza.attrs
  const isToAll = to === undefined || parseJid(to).full === undefined
  const isRefused = events.some((event) => event.type === 'dropped' && event.why === 'unauthentic')
  return isToAll && isRefused && findInstance(conversation, 0)?.ake.state === 'awaiting-signature'
}

/** Nor are messages of that session missed here. */
function yieldHandshake(conversation: Conversation): OtrStep {
  const instance = findInstance(conversation, 0)
  if (instance === undefined) return quiet(conversation)
  return quiet({
    ...putInstance(conversation, { ...instance, ake: NO_AKE, retry: undefined }),
    saidUnready: true,
  })
}

function notForUs(
  account: Account,
  conversations: Conversations,
  { stanza, chat, own, channel }: Received,
  words: string,
  why: 'ignored' | 'own',
): Decrypted {
  if (isOtr(words)) return { kind: 'silent', why }
  const isRequired = mayHoldOtr(stanza) && account.policyFor(chat).requireEncryption
  // Whoever is on the way can make a message look late; what the archive has may be from before the session.
  const isPrivate = channel !== 'archive' && conversations.isPrivate(chat)
  const unexpected = !own && (isRequired || isPrivate)
  return { kind: 'plain', stanza: withText(stanza, findWhitespaceTag(words)?.text ?? words), unexpected }
}

async function outcomeOf(
  account: Account,
  conversations: Conversations,
  received: Received,
  address: string,
  { events, conversation }: OtrStep,
  isPrivate: boolean,
): Promise<Decrypted> {
  const { stanza, chat, own } = received
  for (const event of events) {
    if (event.type === 'dropped') return droppedAs(event.why, conversation)
    if (event.type !== 'message') continue
    if (!event.encrypted) {
      const unexpected = event.warning !== undefined || isPrivate
      return { kind: 'plain', stanza: withText(stanza, event.text), unexpected }
    }
    const contact = bare(address)
    const key = await keyOf(account, contact, event.fingerprint)
    if (!account.policy.mayShow(key.level))
      return unreadable('key-distrusted', { fingerprint: key.fingerprint })
    const warnings: WarningCode[] = []
    if (key.level === 'undecided') warnings.push('key-undecided')
    if (conversations.expected(contact) !== key.fingerprint) warnings.push('key-changed')
    return {
      kind: 'message',
      ref: bytesToHex(account.random(REF_BYTES)),
      ...decryptedStanza(stanza, event.text),
      protocol: OTR_NAMESPACE,
      sender: { jid: address },
      key,
      authenticated: true,
      chat,
      own,
      warnings,
    }
  }
  return { kind: 'silent', why: 'control' }
}

function withText(stanza: Element, words: string): Element {
  const body = bodyOf(stanza)
  return body === undefined || text(body) === words ? stanza : withBody(stanza, words)
}

function droppedAs(why: DroppedReason, conversation: Conversation): Decrypted {
  switch (why) {
    case 'other-instance':
      return { kind: 'silent', why: 'ignored' }
    case 'replayed':
      return { kind: 'silent', why: 'duplicate' }
    case 'reflected':
      return { kind: 'silent', why: 'own' }
    case 'unauthentic':
    case 'unexpected':
    case 'fragment':
      return { kind: 'silent', why: 'control' }
    case 'unreadable':
      return unreadable(isEncrypted(conversation) ? 'message-unreadable' : 'session-missing')
    case 'malformed':
      return unreadable('message-malformed')
    case 'version':
      return unreadable('version-unsupported')
  }
}

function unreadable(code: UnreadableCode, detail: Readonly<Record<string, string>> = {}): Decrypted {
  return { kind: 'unreadable', code, retry: 'never', detail }
}

function isUnderWay(conversation: Conversation | undefined): boolean {
  return conversation !== undefined && (isEncrypted(conversation) || isHandshaking(conversation))
}

/** Tags may have gone to the bare address, and the answer comes from another one. */
async function declineTags(conversations: Conversations, contact: string): Promise<void> {
  if (conversations.get(contact)?.tagSent)
    await conversations.perform(contact, (one) => quiet({ ...one, tagDeclined: true }))
}

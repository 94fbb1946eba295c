/** What an application wants to be said, encrypted or in the clear. */
import type { Key } from '@xmpp-e2e/trust'
import { type BareJid, type Element, parseJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Conversations, Performed, Work } from './conversations.ts'
import { keyOf } from './keyring.ts'
import {
  type AtInstance,
  findSession,
  type LiveSession,
  type Recipient,
  successorsOf,
} from './live-session.ts'
import type { Abortable } from './options.ts'
import type { Encrypted, Offered, RefusalCode, Refused } from './outcome.ts'
import { findInstance, isEncrypted, type OtrStep, quiet } from './protocol/conversation.ts'
import type { ConversationEvent } from './protocol/event.ts'
import { query } from './protocol/handshake.ts'
import { send, sendPlain } from './protocol/outgoing.ts'
import { encryptedStanzas, namesOf, partsOf, withBody } from './xmpp.ts'

/** @internal @throws the signal's reason, if it aborts before anything was encrypted */
export async function encrypt(
  account: Account,
  conversations: Conversations,
  message: Element,
  to: readonly BareJid[],
  { signal }: Abortable,
): Promise<Encrypted> {
  const { contact, wanted } = recipientOf(message, to)
  const { text, exposed, withheld } = partsOf(message)
  if (text === '') return refused('content-missing')
  return conversations.inTurn(contact, async () => {
    // Another client of the same person's, if it has the key that messages are meant for. Who writes from the bare JID
    // is no client, and not to be written to instead.
    const isWanted = wanted !== contact && conversations.get(wanted)?.active !== undefined
    const address = isWanted ? wanted : (conversations.selected(contact) ?? wanted)
    if (signal?.aborted) throw signal.reason
    const key =
      (await replaced(account, conversations, contact, address)) ??
      (await keyFor(account, conversations, contact, conversations.get(address)?.expected))
    if (key?.kind === 'refused') return key
    let isTooLong = false
    const work: Work = (conversation, means) => {
      if (signal?.aborted) throw signal.reason
      try {
        return send(conversation, text, means)
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        isTooLong = true
        return quiet(conversation)
      }
    }
    const step = await conversations.perform(address, work, { holdsBack: true })
    if (isTooLong) return refused('content-too-long')
    if (key === undefined || step.isOver || refusalOf(step) !== undefined) {
      // A query, if anything.
      await conversations.send(address, step.send)
      return refusedBy(account, contact, step)
    }
    conversations.engage(contact)
    return {
      kind: 'encrypted',
      stanzas: encryptedStanzas(message, address, step.send),
      keys: [key.key],
      skipped: [],
      exposed: namesOf(exposed),
      withheld: namesOf(withheld),
    }
  })
}

/** The contact came back with another key: what was selected is over, and says nothing of whom to ask about. */
async function replaced(
  account: Account,
  conversations: Conversations,
  contact: BareJid,
  address: string,
): Promise<Refused | undefined> {
  const ask: Key[] = []
  for (const fingerprint of successorsOf(conversations, contact, address))
    ask.push(await keyOf(account, contact, fingerprint))
  return ask.length === 0 ? undefined : refused('key-changed', ask)
}

/** The key that something secret would go to, unless it must not. */
async function keyFor(
  account: Account,
  conversations: Conversations,
  contact: BareJid,
  fingerprint: string | undefined,
): Promise<{ readonly kind: 'key'; readonly key: Key } | Refused | undefined> {
  if (fingerprint === undefined) return undefined
  const meant = conversations.expected(contact) ?? fingerprint
  const key = await keyOf(account, contact, fingerprint)
  if (meant !== fingerprint) return refused('key-changed', [key])
  if (account.policy.maySend(key.level)) return { kind: 'key', key }
  return refused(key.level === 'distrusted' ? 'key-distrusted' : 'key-undecided', [key])
}

/** @internal Plain text with a tag that says that we speak OTR. */
export async function offer(
  account: Account,
  conversations: Conversations,
  message: Element,
  to: BareJid,
): Promise<Offered> {
  const { contact, wanted } = recipientOf(message, [to])
  const { text } = partsOf(message)
  if (text === '') return refused('content-missing')
  return conversations.inTurn(contact, async () => {
    const isForbidden = conversations.isPrivate(contact) || account.policyFor(contact).requireEncryption
    if (isForbidden) return refused('encryption-required')
    const step = await conversations.perform(
      wanted,
      (conversation, means) =>
        sendPlain(conversation, text, { ...means, policy: { ...means.policy, sendWhitespaceTag: true } }),
      { holdsBack: true },
    )
    const [words] = step.send
    if (words === undefined) return refused('encryption-required')
    return { kind: 'offered', stanza: words === text ? message : withBody(message, words) }
  })
}

/** @internal Asks for a session: the client that has one, or all of the contact's. */
export async function askForSession(
  conversations: Conversations,
  { contact, address }: Recipient,
): Promise<void> {
  await conversations.inTurn(contact, async () => {
    const selected = conversations.selected(contact)
    const conversation = selected === undefined ? undefined : conversations.get(selected)
    const live = conversation !== undefined && isEncrypted(conversation) ? selected : undefined
    await conversations.perform(address ?? live ?? contact, query)
  })
}

/** @internal For an instance of the conversation, or the active one. */
export type WorkAt = (tag: number | undefined) => Work

/** @internal */
export interface BeginOptions extends AtInstance {
  /** Of sessions that are not selected, which may be meant without an instance; none unless given. */
  readonly suits?: (session: LiveSession) => boolean
  /** It goes where messages may go, and nowhere else. */
  readonly isSecret?: boolean
}

/** @internal Begins something in a session, the active one without a `tag`; the rest comes as events. */
export async function begin(
  account: Account,
  conversations: Conversations,
  to: Recipient,
  workAt: WorkAt,
  { instance, suits = () => false, isSecret = false }: BeginOptions = {},
): Promise<{ readonly kind: 'begun'; readonly step: OtrStep } | Refused> {
  const { contact } = to
  return conversations.inTurn(contact, async () => {
    const session = findSession(conversations, to, { instance }, suits)
    const at = session?.address ?? to.address ?? conversations.selected(contact)
    if (at === undefined || (instance !== undefined && session === undefined)) return refused('not-encrypted')
    if (isSecret) {
      const fingerprint = session?.fingerprint ?? conversations.get(at)?.expected
      const key =
        (session === undefined ? await replaced(account, conversations, contact, at) : undefined) ??
        (await keyFor(account, conversations, contact, fingerprint))
      if (key?.kind === 'refused') return key
    }
    const step = await conversations.perform(at, workAt(session?.tag))
    if (step.isOver || refusalOf(step) !== undefined) return refusedBy(account, contact, step, session?.tag)
    conversations.engage(contact)
    return { kind: 'begun', step }
  })
}

/** @throws TypeError */
function recipientOf(
  message: Element,
  to: readonly BareJid[],
): { readonly contact: BareJid; readonly wanted: string } {
  const [contact] = to
  if (message.name !== 'message' || message.ns !== 'jabber:client')
    throw new TypeError('message: expected a <message/>')
  const { type = 'chat' } = message.attrs
  if (type !== 'chat' && type !== 'normal') throw new TypeError('message: expected the type chat or normal')
  if (contact === undefined || to.length > 1)
    throw new TypeError('to: expected one address, as OTR has one reader')
  const wanted = parseJid(message.attrs.to ?? contact)
  if (wanted.bare !== contact) throw new TypeError('message: it is addressed to somebody else')
  return { contact, wanted: wanted.full ?? wanted.bare }
}

function refusalOf({ events }: OtrStep): Extract<ConversationEvent, { type: 'refused' }> | undefined {
  return events.find((event) => event.type === 'refused')
}

async function refusedBy(
  account: Account,
  contact: BareJid,
  step: Performed,
  tag = step.conversation.active,
): Promise<Refused> {
  if (step.isOver) return refused('finished')
  const code = refusalOf(step)?.reason ?? 'not-encrypted'
  if (code !== 'key-changed') return refused(code)
  const session = findInstance(step.conversation, tag)?.session
  if (session === undefined || session.state === 'plaintext') return refused(code)
  return refused(code, [await keyOf(account, contact, session.fingerprint)])
}

function refused(code: RefusalCode, ask: Refused['ask'] = []): Refused {
  return { kind: 'refused', code, ask }
}

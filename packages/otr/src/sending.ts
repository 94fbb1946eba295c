/** What an application wants to be said, encrypted or in the clear. */
import { type BareJid, bare, type Element, parseJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Conversations, Performed, Work } from './conversations.ts'
import { keyOf } from './keyring.ts'
import type { Begun, Encrypted, Offered, RefusalCode, Refused } from './outcome.ts'
import { type OtrStep, quiet } from './protocol/conversation.ts'
import type { ConversationEvent } from './protocol/event.ts'
import { send, sendPlain } from './protocol/outgoing.ts'
import { encryptedStanzas, namesOf, partsOf, withBody } from './xmpp.ts'

/** @internal */
export async function encrypt(
  account: Account,
  conversations: Conversations,
  message: Element,
  to: readonly BareJid[],
): Promise<Encrypted> {
  const { contact, wanted } = recipientOf(message, to)
  const { text, exposed, withheld } = partsOf(message)
  if (text === '') return refused('content-missing')
  return conversations.inTurn(contact, async () => {
    const selected = conversations.selected(contact)
    // Another client of the same person's, if it has the key that messages are meant for.
    const address = conversations.get(wanted)?.active === undefined ? (selected ?? wanted) : wanted
    const expected = conversations.get(address)?.expected
    const isMeant = selected === undefined || conversations.get(selected)?.expected === expected
    const key = expected === undefined ? undefined : await keyOf(account, contact, expected)
    if (key !== undefined && !isMeant) return refused('key-changed', [key])
    if (key !== undefined && !account.policy.maySend(key.level))
      return refused(key.level === 'distrusted' ? 'key-distrusted' : 'key-undecided', [key])
    let isTooLong = false
    const work: Work = (conversation, means) => {
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
    return {
      kind: 'encrypted',
      stanzas: encryptedStanzas(message, address, step.send),
      keys: [key],
      skipped: [],
      exposed: namesOf(exposed),
      withheld: namesOf(withheld),
    }
  })
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
    const hasSession = conversations.infos().some(({ jid }) => bare(jid) === contact)
    if (hasSession || account.policyFor(contact).requireEncryption) return refused('encryption-required')
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

/** @internal Begins something in a session; the rest comes as events. */
export async function begin(
  account: Account,
  conversations: Conversations,
  { contact, address }: { readonly contact: BareJid; readonly address: string | undefined },
  work: Work,
): Promise<Begun & { readonly step?: OtrStep }> {
  return conversations.inTurn(contact, async () => {
    const at = address ?? conversations.selected(contact)
    if (at === undefined) return refused('not-encrypted')
    const step = await conversations.perform(at, work)
    if (step.isOver || refusalOf(step) !== undefined) return refusedBy(account, contact, step)
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

async function refusedBy(account: Account, contact: BareJid, step: Performed): Promise<Refused> {
  if (step.isOver) return refused('finished')
  const code = refusalOf(step)?.reason ?? 'not-encrypted'
  if (code !== 'key-changed') return refused(code)
  const { instances, active } = step.conversation
  const session = instances.find(({ tag }) => tag === active)?.session
  if (session === undefined || session.state === 'plaintext') return refused(code)
  return refused(code, [await keyOf(account, contact, session.fingerprint)])
}

function refused(code: RefusalCode, ask: Refused['ask'] = []): Refused {
  return { kind: 'refused', code, ask }
}

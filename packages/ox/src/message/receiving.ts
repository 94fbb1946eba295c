/**
 * A message that came in (XEP-0373 §3.2):
 *
 *     opened ─► by the sender's own certificates ─► kind and cryptography agree ─► addressee ─► time ─► settled before? ─► trust
 *
 * Nothing of it is given before all of that holds; each step that does not is a code.
 */
import type { Key } from '@xmpp-e2e/trust'
import {
  type BareJid,
  type Element,
  elements,
  isAllowedContent,
  parseJid,
  type Received,
  withContent,
} from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { type Content, decodeContent, OX_NAMESPACE } from '../elements/content.ts'
import { decodeOpenpgp, openpgpOf } from '../elements/openpgp-element.ts'
import { OxError } from '../error.ts'
import { knownContact } from '../key/contact.ts'
import { RETRY_MS, refreshContact } from '../key/contact-refresh.ts'
import { meet } from '../keyring.ts'
import { type OpenedMessage, openMessage, type Signature } from '../openpgp/message.ts'
import type { Decrypted, Retry, UnreadableCode, WarningCode } from '../outcome.ts'
import { isSettled, refOf } from './seen.ts'

/**
 * How far the author's time may be from when the stanza was sent, in milliseconds, before there is a warning: ten minutes, since
 * two clocks are compared and each may be off by five.
 */
export const TIME_TOLERANCE = 600_000

type Opened = Extract<OpenedMessage, { readonly kind: 'opened' }>
type Valid = Extract<Signature, { readonly kind: 'valid' }>

/** @internal @throws {TypeError} on what another account has received */
export async function decrypt(account: Account, received: Received): Promise<Decrypted> {
  if (received.account !== account.jid) throw new TypeError('received: another account has received it')
  const openpgp = openpgpOf(received.stanza)
  if (openpgp === undefined || received.stanza.attrs.type === 'error')
    return { kind: 'silent', why: 'ignored' }
  let bytes: Uint8Array
  try {
    bytes = decodeOpenpgp(openpgp)
  } catch (error) {
    if (error instanceof OxError) return unreadable('message-malformed', 'never', { error: error.message })
    throw error
  }
  const sender = senderOf(received)
  const opened = await open(account, bytes, sender, received)
  if (opened.kind === 'locked') return unreadable('key-locked', 'after-unlock', {})
  if (opened.kind === 'failed') return unreadable(opened.code, 'never', {})
  let content: Content
  try {
    content = decodeContent(opened.plaintext)
  } catch (error) {
    if (error instanceof OxError) return unreadable('content-malformed', 'never', { error: error.message })
    throw error
  }
  const wrong = mismatch(opened, content, sender)
  return wrong ?? judge(account, received, sender, opened, content)
}

/** Who must have written it: an account, not an occupant. */
function senderOf({ sender, account, own }: Received): BareJid | undefined {
  if (own) return account
  if (sender.known === 'no') return sender.candidates.length === 1 ? sender.candidates[0] : undefined
  return parseJid(sender.jid).bare
}

/** The sender's keys are read again where none of those that are known has signed it, once a minute at most. */
async function open(
  account: Account,
  bytes: Uint8Array,
  sender: BareJid | undefined,
  { channel }: Received,
): Promise<OpenedMessage> {
  const options = { now: account.clock.now(), isArchived: channel !== 'live' }
  const attempt = async () => {
    const own = await account.own.all()
    const certificates = await certificatesOf(account, sender)
    return openMessage(bytes, own, certificates, options)
  }
  let opened = await attempt()
  if (opened.kind === 'locked') {
    let isOpen = false
    for (const fingerprint of opened.fingerprints)
      isOpen = (await account.own.ask(fingerprint)) !== undefined || isOpen
    if (isOpen) opened = await attempt()
  }
  const isUnknown =
    opened.kind === 'opened' &&
    opened.signature.kind === 'invalid' &&
    (opened.signature.code === 'signer-unknown' || opened.signature.code === 'signature-invalid')
  if (!isUnknown || sender === undefined || !(await mayRefresh(account, sender))) return opened
  await refreshContact(account, sender, { signal: account.closing })
  return attempt()
}

async function certificatesOf(account: Account, sender: BareJid | undefined) {
  if (sender === undefined) return []
  const { keys } = await knownContact(account, sender)
  const own = sender === account.jid ? await account.own.all() : []
  return [
    ...own.map(({ certificate }) => certificate),
    ...keys.flatMap(({ certificate }) => (certificate === undefined ? [] : [certificate])),
  ]
}

async function mayRefresh(account: Account, sender: BareJid): Promise<boolean> {
  if (account.connection.jid === undefined) return false
  const { readAt } = await knownContact(account, sender)
  const age = readAt === undefined ? Number.NaN : account.clock.now() - readAt.getTime()
  return !(age >= 0 && age < RETRY_MS)
}

/** The table of XEP-0373 §3.1: what an element says of itself, and what it came in. */
function mismatch(
  { encrypted, signature }: Opened,
  { kind }: Content,
  sender: BareJid | undefined,
): Decrypted | undefined {
  if (encrypted !== (kind !== 'sign')) return unreadable('content-mismatch', 'never', { kind })
  if (kind === 'crypt')
    return signature.kind === 'none' ? undefined : unreadable('signature-unexpected', 'never', {})
  if (signature.kind === 'none') return unreadable('signature-missing', 'never', {})
  if (sender === undefined) return unreadable('sender-unknown', 'never', {})
  return undefined
}

async function judge(
  account: Account,
  received: Received,
  sender: BareJid | undefined,
  opened: Opened,
  content: Content,
): Promise<Decrypted> {
  const { signature } = opened
  if (signature.kind === 'invalid') return invalid(account, sender, signature.code)
  if (!isAddressed(received, content))
    return unreadable('addressee-wrong', 'never', { to: content.to.join(' ') })
  const valid = signature.kind === 'valid' ? signature : undefined
  const ref = await refOf(valid?.fingerprint, opened.plaintext, content.time)
  if (await isSettled(account, ref)) return { kind: 'silent', why: 'duplicate' }
  const key = valid && sender && (await signerOf(account, sender, valid))
  if (key !== undefined && !account.policy.mayShow(key.level))
    return unreadable('key-distrusted', 'after-decision', { fingerprint: key.fingerprint })
  const warnings = await warningsOf(account, received, sender, content, valid, key)
  const { kind, to, time, payload } = content
  const { stanza, chat, own } = received
  return {
    kind: 'message',
    ref,
    as: kind,
    content: payload,
    stanza: withContent(stanza, payload),
    unauthenticated: unauthenticatedOf(stanza),
    protocol: OX_NAMESPACE,
    encrypted: opened.encrypted,
    authenticated: key !== undefined,
    sender,
    key,
    chat,
    own,
    to,
    time,
    warnings,
  }
}

async function invalid(
  account: Account,
  sender: BareJid | undefined,
  code: Extract<Signature, { readonly kind: 'invalid' }>['code'],
): Promise<Decrypted> {
  if (code !== 'signer-unknown' || sender === undefined)
    return unreadable(code, code === 'signature-from-future' ? 'after-refresh' : 'never', {})
  const { problem } = await knownContact(account, sender)
  return problem === 'keys-unavailable' || account.connection.jid === undefined
    ? unreadable('keys-unavailable', 'after-refresh', { sender })
    : unreadable('signer-unknown', 'after-refresh', { sender })
}

/** XEP-0373 §3.2: who it is for is who the stanza is for: ourselves, the contact of what we have sent, the room. */
function isAddressed({ stanza, account, chat, own }: Received, { kind, to }: Content): boolean {
  if (kind === 'crypt' && to.length === 0) return true
  const isRoom = stanza.attrs.type === 'groupchat'
  return to.includes(own || isRoom ? chat : account)
}

function signerOf(account: Account, sender: BareJid, { fingerprint }: Valid): Promise<Key> {
  return change(account, [], async (_, reader) => {
    const { keys, put, events } = await meet(account, reader, sender, [fingerprint])
    return { put, events, result: keys[0] as Key }
  })
}

async function warningsOf(
  account: Account,
  { channel, sentAt }: Received,
  sender: BareJid | undefined,
  { kind, to, time }: Content,
  valid: Valid | undefined,
  key: Key | undefined,
): Promise<readonly WarningCode[]> {
  const warnings: WarningCode[] = [...(valid?.warnings ?? [])]
  if (key?.level === 'undecided') warnings.push('key-undecided')
  if (key !== undefined && sender !== undefined && !(await isListed(account, sender, key)))
    warnings.push('key-unlisted')
  const sent = channel === 'live' ? account.clock.now() : sentAt?.getTime()
  const isMarked = channel === 'live' && sentAt !== undefined
  const skew = Math.abs(time.getTime() - (isMarked ? sentAt.getTime() : (sent ?? time.getTime())))
  if (skew > TIME_TOLERANCE) warnings.push('time-skew')
  if (kind === 'crypt' && to.length === 0) warnings.push('not-addressed')
  return warnings
}

async function isListed(account: Account, sender: BareJid, { fingerprint }: Key): Promise<boolean> {
  if (
    sender === account.jid &&
    (await account.own.all()).some(({ certificate }) => certificate.fingerprint === fingerprint)
  )
    return true
  const { keys } = await knownContact(account, sender)
  return keys.some((key) => key.fingerprint === fingerprint && key.isListed)
}

/** What stood beside it and may mean something to somebody; never part of the message. */
function unauthenticatedOf(stanza: Element): readonly Element[] {
  const isBody = ({ ns, name }: Element) => ns === 'jabber:client' && name === 'body'
  return elements(stanza).filter((el) => isAllowedContent(el) && !isBody(el) && el.ns !== OX_NAMESPACE)
}

function unreadable(code: UnreadableCode, retry: Retry, detail: Readonly<Record<string, string>>): Decrypted {
  return { kind: 'unreadable', code, retry, detail }
}

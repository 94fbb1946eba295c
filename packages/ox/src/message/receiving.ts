/**
 * A message that came in (XEP-0373 §3.2):
 *
 *     opened ─► kind and cryptography agree ─► signed by the sender ─► addressee ─► settled before? ─► trust ─► warnings
 *
 * Nothing of it is given before all of that holds; each step that does not is a code.
 */
import type { Key } from '@xmpp-e2e/trust'
import {
  type BareJid,
  type Element,
  elements,
  isAllowedContent,
  type Received,
  withContent,
} from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { type Content, decodeContent, OX_NAMESPACE } from '../elements/content.ts'
import { decodeOpenpgp, hasOpenpgp, openpgpOf } from '../elements/openpgp-element.ts'
import { OxError } from '../error.ts'
import { meet } from '../keyring.ts'
import type { OpenedMessage, Signature } from '../openpgp/message.ts'
import type { Decrypted, Retry, UnreadableCode } from '../outcome.ts'
import { mayLackKeys, type Opening, open, sendersOf } from './opening.ts'
import { isSettled, refOf } from './seen.ts'
import { warningsOf } from './warning.ts'

type Opened = Extract<OpenedMessage, { readonly kind: 'opened' }>

/** @internal @throws {TypeError} on what another account has received */
export async function decrypt(account: Account, received: Received): Promise<Decrypted> {
  if (received.account !== account.jid) throw new TypeError('received: another account has received it')
  if (!hasOpenpgp(received.stanza)) return { kind: 'silent', why: 'ignored' }
  const bytes = bytesOf(received.stanza)
  if (!(bytes instanceof Uint8Array)) return bytes
  const senders = sendersOf(received)
  const opening = await open(account, bytes, senders, received)
  const { opened } = opening
  if (opened.kind === 'locked')
    return unreadable('key-locked', 'after-unlock', { fingerprints: opened.fingerprints.join(' ') })
  if (opened.kind === 'failed') return failed(account, opened.code)
  const content = contentOf(opened.plaintext)
  if ('code' in content) return content
  return mismatch(opened, content, senders) ?? judge(account, received, senders, opening, opened, content)
}

/** Of several, nobody can say which is meant: whoever added one would decide. */
function bytesOf(stanza: Element): Uint8Array | Decrypted {
  const openpgp = openpgpOf(stanza)
  if (openpgp === undefined) return unreadable('message-malformed', 'never', { error: 'several <openpgp/>' })
  try {
    return decodeOpenpgp(openpgp)
  } catch (error) {
    if (!(error instanceof OxError)) throw error
    const code = error.code === 'message-too-big' ? error.code : 'message-malformed'
    return unreadable(code, 'never', { error: error.message })
  }
}

async function failed({ own }: Account, code: UnreadableCode): Promise<Decrypted> {
  if (code !== 'not-for-us' || (await own.all()).length > 0) return unreadable(code, 'never', {})
  return unreadable('key-missing', 'after-unlock', {})
}

function contentOf(plaintext: Uint8Array): Content | Extract<Decrypted, { readonly kind: 'unreadable' }> {
  try {
    return decodeContent(plaintext)
  } catch (error) {
    // What was decrypted stays out of it: messages of errors quote names and values.
    if (error instanceof OxError)
      return unreadable('content-malformed', 'never', {
        error: error.cause instanceof Error ? error.cause.name : error.name,
      })
    throw error
  }
}

/** The table of XEP-0373 §3.1: what an element says of itself, and what it came in. */
function mismatch(
  { encrypted, signature }: Opened,
  { kind }: Content,
  senders: readonly BareJid[],
): Decrypted | undefined {
  if (encrypted !== (kind !== 'sign')) return unreadable('content-mismatch', 'never', { kind })
  if (kind === 'crypt')
    return signature.kind === 'none' ? undefined : unreadable('signature-unexpected', 'never', {})
  if (signature.kind === 'none') return unreadable('signature-missing', 'never', {})
  return senders.length === 0 ? unreadable('sender-unknown', 'never', {}) : undefined
}

async function judge(
  account: Account,
  received: Received,
  senders: readonly BareJid[],
  { ownerOf }: Opening,
  { signature, encrypted, plaintext }: Opened,
  content: Content,
): Promise<Decrypted> {
  if (signature.kind === 'invalid') return invalid(account, senders, signature.code)
  const { kind, to, time } = content
  if (!isAddressed(received, content)) return unreadable('addressee-wrong', 'never', { to: to.join(' ') })
  const valid = signature.kind === 'valid' ? signature : undefined
  // Of what nobody has signed, the sender is who the stanza is from, if that is known at all.
  const stated = received.sender.known === 'no' ? undefined : senders[0]
  const sender = valid === undefined ? stated : ownerOf(valid.fingerprint)
  const ref = await refOf(valid?.fingerprint, plaintext)
  if (received.own && account.sent.has(ref)) return { kind: 'silent', why: 'own' }
  if (await isSettled(account, ref)) return { kind: 'silent', why: 'duplicate' }
  const key = valid && sender && (await signerOf(account, sender, valid.fingerprint))
  if (key !== undefined && !account.policy.mayShow(key.level))
    return unreadable('key-distrusted', 'after-decision', { sender: key.owner, fingerprint: key.fingerprint })
  const allowed = content.payload.filter(isAllowedContent)
  if (allowed.length === 0) return { kind: 'silent', why: 'control' }
  const { stanza, chat, own } = received
  return {
    kind: 'message',
    ref,
    as: kind,
    content: allowed,
    stanza: withContent(stanza, allowed),
    unauthenticated: unauthenticatedOf(stanza),
    protocol: OX_NAMESPACE,
    encrypted,
    authenticated: key !== undefined,
    sender: sender && { jid: sender },
    key,
    chat,
    own,
    to,
    time,
    warnings: await warningsOf(account, received, content, key, valid?.warnings ?? []),
  }
}

async function invalid(
  account: Account,
  senders: readonly BareJid[],
  code: Extract<Signature, { readonly kind: 'invalid' }>['code'],
): Promise<Decrypted> {
  const sender = senders.join(' ')
  if (code === 'signature-from-future') return unreadable(code, 'later', { sender })
  if (code !== 'signer-unknown') return unreadable(code, 'never', { sender })
  const lacks = await Promise.all(senders.map((jid) => mayLackKeys(account, jid)))
  return unreadable(lacks.includes(true) ? 'keys-unavailable' : code, 'after-refresh', { sender })
}

/** XEP-0373 §3.2: who it is for is who the stanza is for: ourselves, the contact of what we have sent, the room. */
function isAddressed({ stanza, account, chat, own }: Received, { kind, to }: Content): boolean {
  if (kind === 'crypt' && to.length === 0) return true
  const isRoom = stanza.attrs.type === 'groupchat'
  return to.includes(own || isRoom ? chat : account)
}

/** What is thought of it now; it may have been met elsewhere only, or forgotten. */
function signerOf(account: Account, owner: BareJid, fingerprint: string): Promise<Key> {
  return change(account, [], async (_, reader) => {
    const { keys, put, events } = await meet(account, reader, owner, [fingerprint])
    return { put, events, result: keys[0] as Key }
  })
}

/** What stood beside it and may mean something to somebody; never part of the message. */
function unauthenticatedOf(stanza: Element): readonly Element[] {
  const isBody = ({ ns, name }: Element) => ns === 'jabber:client' && name === 'body'
  return elements(stanza).filter((el) => isAllowedContent(el) && !isBody(el))
}

function unreadable(
  code: UnreadableCode,
  retry: Retry,
  detail: Readonly<Record<string, string>>,
): Extract<Decrypted, { readonly kind: 'unreadable' }> {
  return { kind: 'unreadable', code, retry, detail }
}

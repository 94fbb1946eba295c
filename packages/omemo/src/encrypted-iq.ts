/**
 * Encrypted IQs: the payload of a request or a result in an envelope of omemo:2 (XEP-0420 §4.2; 0.3 can encrypt nothing
 * but bodies).
 *
 *     <iq type='set' to='juliet@capulet.lit/balcony' id='…'>
 *       <encrypted xmlns='urn:xmpp:omemo:2'><header sid='27183'>…</header><payload>…</payload></encrypted>
 *     </iq>
 *
 * Type, addresses and id stay readable, and whether a reply belongs to a request is for the connection to say. Errors are
 * not encrypted: servers make them, too. What is opened is kept nowhere: after a crash the request is answered by nobody.
 */
import type { Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import {
  bareJid,
  child,
  type Element,
  element,
  elements,
  isAllowedContent,
  jid,
  parseJid,
} from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import { decodeEnvelope } from './envelope.ts'
import { type AffixWarning, checkAffixes } from './envelope-affixes.ts'
import { OmemoError } from './error.ts'
import { fanOut } from './message/fan-out.ts'
import { answerOwed } from './message/follow-up.ts'
import { noteOpened } from './message/opened.ts'
import { type Inside, openElement } from './message/opening.ts'
import { sealedEnvelope } from './message/sending.ts'
import type { DeviceRef, Reached, RefusalCode, Refused, Skipped, UnreadableCode } from './outcome.ts'
import { payloadCiphers } from './payload.ts'
import { OMEMO_2 } from './protocol.ts'

export type EncryptedIq =
  | {
      readonly kind: 'encrypted'
      /** To be sent as it is. */
      readonly iq: Element
      readonly reached: readonly Reached[]
      readonly skipped: readonly Skipped[]
    }
  | Refused

export type DecryptedIq =
  | {
      readonly kind: 'iq'
      /** The same, with what was encrypted in the place of `<encrypted/>`. */
      readonly iq: Element
      readonly sender: DeviceRef
      readonly key: Key
      readonly warnings: readonly (AffixWarning | 'key-undecided')[]
    }
  | { readonly kind: 'unreadable'; readonly code: UnreadableCode; readonly path?: string | undefined }

/** @internal @throws TypeError, RangeError for what is no request or result to somebody */
export async function encryptIq(
  account: Account,
  iq: Element,
  { signal }: { readonly signal?: Signal | undefined } = {},
): Promise<EncryptedIq> {
  assertIq(iq)
  const to = addressOf(iq)
  const content = elements(iq)
  const refused = (code: RefusalCode): Refused => ({ kind: 'refused', code, ask: [], skipped: [] })
  if (content.length === 0) return refused('content-missing')
  if (!content.every(isAllowedContent)) throw new TypeError('iq: its payload may not be encrypted')
  const sealed = sealedIq(account, content, to)
  if (sealed === undefined) return refused('content-too-long')
  const outcome = await fanOut(account, {
    to: [to],
    withOwn: false,
    sealed: new Map([[OMEMO_2, sealed]]),
    signal,
    heedsOptOut: true,
  })
  if (outcome.kind === 'refused') return outcome
  const { elements: encrypted, reached, skipped } = outcome
  return { kind: 'encrypted', iq: element(iq.ns, iq.name, iq.attrs, encrypted), reached, skipped }
}

/** @internal `undefined` for an IQ that has nothing encrypted, and for an error: it may repeat what it refuses. @throws TypeError on what is no IQ */
export async function decryptIq(account: Account, iq: Element): Promise<DecryptedIq | undefined> {
  if (!isIq(iq)) throw new TypeError('iq: expected one of jabber:client')
  // Its type is for the peer to say.
  if (!TYPES.includes(iq.attrs.type)) return undefined
  if (child(iq, 'encrypted', OMEMO_2) === undefined) return undefined
  const from = jid.decode(iq.attrs.from ?? account.jid)
  if (from === undefined) return { kind: 'unreadable', code: 'sender-unknown' }
  const sender = parseJid(from).bare
  const now = account.clock.now()
  const arrival = { channel: 'live', sentAt: now } as const
  return change<DecryptedIq>(account, [], async (_, reader) => {
    const opened = await openElement(
      account,
      reader,
      // A copy with what is of omemo:2 alone: an IQ of 0.3 has no meaning.
      {
        element: element(iq.ns, iq.name, {}, child(iq, 'encrypted', OMEMO_2)),
        senders: [sender],
        bySession: false,
        arrival,
      },
      (inside) => contentOf(account, inside),
    )
    if (opened.kind === 'failed') {
      const { code, path } = opened
      return { result: { kind: 'unreadable', code, ...(path !== undefined && { path }) } }
    }
    const { key, ...noted } = await noteOpened(account, reader, opened)
    if (!account.policy.mayShow(key.level))
      return { ...noted, result: { kind: 'unreadable', code: 'key-distrusted' } }
    const { content, warnings } = opened.value
    return {
      ...noted,
      effects: [...noted.effects, ...answerOwed(opened.list, opened.opened)],
      result: {
        kind: 'iq',
        iq: element(iq.ns, iq.name, iq.attrs, content),
        sender: opened.list.device,
        key,
        warnings: [...warnings, ...(key.level === 'undecided' ? (['key-undecided'] as const) : [])],
      },
    }
  })
}

function sealedIq(account: Account, content: readonly Element[], to: ReturnType<typeof addressOf>) {
  try {
    return sealedEnvelope(account, content, to)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** @throws OmemoError for a key without a payload, and all that an envelope can be wrong in */
function contentOf(
  account: Account,
  { sender, keyMaterial, payload }: Inside,
): ReturnType<typeof checkAffixes> {
  const cipher = payloadCiphers[OMEMO_2]
  cipher.classify({ hasPayload: payload !== undefined, keyMaterial })
  if (payload === undefined) throw new OmemoError('message-malformed', 'iq: expected a payload')
  return checkAffixes(decodeEnvelope(cipher.open({ payload, keyMaterial })), {
    kind: 'chat',
    account: account.jid,
    chat: sender.jid,
    sender: sender.jid,
    sentAt: new Date(account.clock.now()),
  })
}

const TYPES: readonly (string | undefined)[] = ['get', 'set', 'result']

const isIq = ({ name, ns }: Element): boolean => name === 'iq' && ns === 'jabber:client'

function assertIq(iq: Element): void {
  if (!isIq(iq) || !TYPES.includes(iq.attrs.type))
    throw new TypeError('iq: expected a request or a result of jabber:client')
}

/** A request to a server or a room cannot be encrypted, and neither can one to whom nobody knows. */
function addressOf({ attrs }: Element) {
  const to = jid.decode(attrs.to ?? '')
  if (to === undefined) throw new RangeError('iq: expected `to`')
  const { bare } = parseJid(to)
  return bareJid.decode(bare) ?? bare
}

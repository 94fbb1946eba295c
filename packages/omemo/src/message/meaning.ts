/** What a message that was opened says, and what a server or its sender has written beside it. Pure. */
import { type Element, elements, type Received, withContent } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { decodeEnvelope } from '../envelope.ts'
import { checkAffixes } from '../envelope-affixes.ts'
import type { WarningCode } from '../outcome.ts'
import { payloadCiphers } from '../payload.ts'
import { AXOLOTL } from '../protocol.ts'
import { encryptedElements } from '../stanza/message.ts'
import { isControl } from './control.ts'
import { contentOf } from './kept.ts'
import type { Inside } from './opening.ts'

/** @internal What is inside: nothing, or something for people, for trust, for this package. */
export interface Meaning {
  /** Of a message with content that is to be shown. */
  readonly plaintext?: Inside['keyMaterial'] | undefined
  readonly warnings: readonly WarningCode[]
  /** Neither empty nor a key: answering one that is with one that is could go on for ever. */
  readonly isEmpty: boolean
  readonly control: readonly Element[]
  readonly time: Date | undefined
}

const NOTHING: Meaning = { warnings: [], isEmpty: true, control: [], time: undefined }

/** @internal @throws OmemoError when the payload is not what the key is for, or not for this stanza */
export function meaningOf(account: Account, received: Received, inside: Inside): Meaning {
  const { namespace, keyMaterial, payload, iv, sender } = inside
  const cipher = payloadCiphers[namespace]
  const purpose = cipher.classify({ hasPayload: payload !== undefined, keyMaterial })
  if (purpose !== 'message' || payload === undefined) return NOTHING
  const plaintext = cipher.open({ payload, keyMaterial, iv })
  if (namespace === AXOLOTL) {
    contentOf(namespace, plaintext)
    return { ...NOTHING, isEmpty: false, plaintext }
  }
  const envelope = decodeEnvelope(plaintext)
  const { stanza, chat, channel, sentAt } = received
  const { content, warnings } = checkAffixes(envelope, {
    kind: stanza.attrs.type === 'groupchat' ? 'groupchat' : 'chat',
    account: account.jid,
    chat,
    sender: sender.jid,
    sentAt: sentAt ?? (channel === 'live' ? new Date(account.clock.now()) : undefined),
  })
  const hasContent = content.some((el) => !isControl(el))
  return {
    isEmpty: false,
    warnings,
    control: content.filter(isControl),
    time: envelope.time,
    plaintext: hasContent ? plaintext : undefined,
  }
}

/** @internal What a message of 0.3 says outside of its payload. What only tells how it travelled, and its fallback, says nothing. */
export function beside(stanza: Element): readonly Element[] {
  const harmless = new Set(elements(withContent(stanza, [])))
  const isOfOmemo = new Set(encryptedElements(stanza).map(({ element }) => element))
  return elements(stanza).filter((el) => {
    if (harmless.has(el) || isOfOmemo.has(el)) return false
    if (el.ns === 'jabber:client' && el.name === 'body') return false
    return !OUTSIDE.has(el.ns)
  })
}

const OUTSIDE: ReadonlySet<string> = new Set([
  // Occupants and their roles; fallback for a body that nobody shows.
  'http://jabber.org/protocol/muc#user',
  'urn:xmpp:fallback:0',
  'urn:xmpp:hints',
  'urn:xmpp:omemo:2',
  'eu.siacs.conversations.axolotl',
])

/**
 * Keys for something else than messages: XEP-0396 puts the key of an encrypted Jingle transport into a message of 0.3
 * without payload, once for each device of the peer.
 *
 *     <security xmlns='urn:xmpp:jingle:jet:0' name='a-file-offer' cipher='urn:xmpp:ciphers:aes-128-gcm-nopadding:0'
 *               type='eu.siacs.conversations.axolotl'>
 *       <encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>…<iv>…</iv></header></encrypted>
 *     </security>
 *
 * 0.3 alone has such messages, and with them the cipher is AES-128-GCM (§3): omemo:2 defines none.
 */
import type { Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import { type BareJid, type Element, element } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import type { Bytes } from './bytes.ts'
import { OmemoError } from './error.ts'
import { fanOut } from './message/fan-out.ts'
import { answerOwed } from './message/follow-up.ts'
import { noteOpened } from './message/opened.ts'
import { openElement } from './message/opening.ts'
import type { DeviceRef, Reached, Refused, Skipped, UnreadableCode } from './outcome.ts'
import { decodeKeyTransport, encodeKeyTransport } from './payload.ts'
import { AXOLOTL } from './protocol.ts'

/** For the `cipher` of `<security/>`; older clients write it without `:0`. */
export const JET_CIPHER = 'urn:xmpp:ciphers:aes-128-gcm-nopadding:0'

export type TransportedKey =
  | {
      readonly kind: 'encrypted'
      /** `<encrypted/>`, the child of `<security/>`. */
      readonly element: Element
      /** For the `type` of `<security/>`. */
      readonly type: string
      readonly reached: readonly Reached[]
      readonly skipped: readonly Skipped[]
    }
  | Refused

export type ReceivedKey =
  | {
      readonly kind: 'key'
      /** 16 bytes. */
      readonly key: Bytes
      /** 12 bytes, or 16 from clients of before 2020. */
      readonly iv: Bytes
      readonly sender: DeviceRef
      readonly senderKey: Key
    }
  | { readonly kind: 'unreadable'; readonly code: UnreadableCode; readonly path?: string | undefined }

/**
 * @internal For all devices of an account: nobody knows which one will accept.
 *
 * @throws RangeError when the key has not 16 bytes or the IV neither 12 nor 16
 */
export async function encryptKey(
  account: Account,
  to: BareJid,
  key: Uint8Array,
  iv: Uint8Array,
  { signal }: { readonly signal?: Signal | undefined } = {},
): Promise<TransportedKey> {
  const outcome = await fanOut(account, {
    to: [to],
    withOwn: false,
    sealed: new Map([[AXOLOTL, encodeKeyTransport(key, iv)]]),
    signal,
    heedsOptOut: true,
  })
  if (outcome.kind === 'refused') return outcome
  const { elements, reached, skipped } = outcome
  return { kind: 'encrypted', element: elements[0] as Element, type: AXOLOTL, reached, skipped }
}

/** @internal Opens an `<encrypted/>` that somebody has put into `<security/>`. It can be opened once. */
export async function decryptKey(
  account: Account,
  encrypted: Element,
  sender: BareJid,
): Promise<ReceivedKey> {
  if (encrypted.name !== 'encrypted' || encrypted.ns !== AXOLOTL)
    throw new TypeError('encrypted: expected <encrypted/> of eu.siacs.conversations.axolotl')
  const arrival = { channel: 'live', sentAt: account.clock.now() } as const
  const holder = element('urn:xmpp:jingle:jet:0', 'security', {}, encrypted)
  return change<ReceivedKey>(account, [], async (_, reader) => {
    const opened = await openElement(
      account,
      reader,
      { element: holder, senders: [sender], bySession: false, arrival },
      ({ keyMaterial, iv, payload }) => {
        if (payload !== undefined) throw new OmemoError('message-malformed', 'encrypted: expected no payload')
        return decodeKeyTransport({ keyMaterial, iv })
      },
    )
    if (opened.kind === 'failed') {
      const { code, path } = opened
      return { result: { kind: 'unreadable', code, ...(path !== undefined && { path }) } }
    }
    const { key: senderKey, ...noted } = await noteOpened(account, reader, opened)
    if (!account.policy.mayShow(senderKey.level))
      return { ...noted, result: { kind: 'unreadable', code: 'key-distrusted' } }
    const { list, value } = opened
    return {
      ...noted,
      effects: [...noted.effects, ...answerOwed(list, opened.opened)],
      result: { kind: 'key', ...value, sender: list.device, senderKey },
    }
  })
}

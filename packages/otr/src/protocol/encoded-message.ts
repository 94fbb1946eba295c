/**
 * How a message of bytes travels as text (Encoded messages): `?OTR:` ‖ base64 ‖ `.`
 *
 * Written strictly and read leniently, for libotr reads so and clients wrap, trim and append.
 */
import { base64 } from '@xmpp-e2e/xml'
import { OtrError } from '../error.ts'
import type { Bytes } from '../wire/bytes.ts'

/**
 * 256 KiB, for the encoded text of one message and for what is reassembled from fragments: as much as servers let a
 * stanza be, in ASCII characters. It bounds what one field can be, and with `MAX_INSTANCES` what a peer can have kept.
 */
export const MAX_MESSAGE_BYTES = 262_144

const START = '?OTR:'
const { encode, decode } = base64()

export function encodeMessage(bytes: Uint8Array): string {
  return `${START}${encode(Uint8Array.from(bytes))}.`
}

/**
 * The bytes of a text that begins with `?OTR:`, white space aside. Line breaks within, a missing full stop and
 * whatever follows the full stop are passed over.
 *
 * @throws OtrError `message-malformed` when it does not begin so, is not base64, or says nothing; `message-too-big`
 */
export function decodeMessage(text: string): Bytes {
  if (text.length > MAX_MESSAGE_BYTES)
    throw new OtrError('message-too-big', `message: longer than ${MAX_MESSAGE_BYTES} characters`)
  const trimmed = text.trimStart()
  if (!trimmed.startsWith(START)) throw new OtrError('message-malformed', `message: expected ${START}`)
  const stop = trimmed.indexOf('.')
  const bytes = decode(trimmed.slice(START.length, stop === -1 ? undefined : stop))
  if (bytes === undefined) throw new OtrError('message-malformed', 'message: not base64')
  // Zero bytes under four characters of padding overran libotr's buffer (CVE-2012-3461).
  if (bytes.length === 0) throw new OtrError('message-malformed', 'message: empty')
  return bytes
}

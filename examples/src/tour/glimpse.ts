/** What a server can read in an encrypted message: who, to whom, when, how much. As blocks, not as hex. */
import {
  type Encrypted,
  encryptedElements,
  encryptedFormats,
  type Namespace,
} from '@xmpp-e2e/omemo/primitives'
import { type Element, serialize } from '@xmpp-e2e/xml'
import { type Block, seen } from './block.ts'

export const VERSION: Readonly<Record<Namespace, string>> = {
  'urn:xmpp:omemo:2': 'new',
  'eu.siacs.conversations.axolotl': 'old',
}

export function glimpse(stanza: Element): readonly Block[] {
  const { from, to } = stanza.attrs
  return [
    seen(`${local(from)} → ${local(to)}: ${count(serialize(stanza).length)} bytes`),
    ...encryptedElements(stanza).flatMap(({ namespace, element }) =>
      contents(encryptedFormats[namespace].decode(element), namespace),
    ),
  ]
}

function contents({ keys, payload }: Encrypted, namespace: Namespace): readonly Block[] {
  const devices = keys.map(({ rid }) => rid).join(' and ')
  const key = `${keys.length === 1 ? '1 key' : `${keys.length} keys`}, for ${devices}`
  const text = payload === undefined ? 'no text' : `ciphertext ${hint(payload)}, ${payload.length} bytes`
  return [seen(`<encrypted>, ${VERSION[namespace]} version`), seen(`  ${key}`), seen(`  ${text}`)]
}

/** The first two bytes: enough to tell ciphertexts apart. */
export function hint(bytes: Uint8Array): string {
  return `${[...bytes.subarray(0, 2)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}…`
}

/** A number with separators: 1,234,567. */
export function count(number: number): string {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** The part of a JID before the `@`. */
export function local(jid: string | undefined): string {
  return jid?.split('@')[0] ?? '?'
}

/**
 * XEP-0390 §4.1, the input of the hash functions. Separators are characters that XML cannot carry, so that no two
 * answers have the same input:
 *
 *     input      = features FS identities FS extensions FS
 *     features   = ( var US )*
 *     identities = ( category US type US lang US name US RS )*
 *     extensions = ( ( var US ( value US )* RS )* GS )*
 *
 * Every `*` is in the order of i;octet over the finished octets. Since the octets are UTF-8 and the separators ASCII,
 * that is the order of the text.
 */

import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type Bytes, type Element, element } from '@xmpp-e2e/xml'
import { type DataForm, formType } from './data-form.ts'
import { type Hash, hashed, sha256 } from './hash.ts'
import { hasSeparator, type Info, identityParts } from './info.ts'
import { sortOctets } from './octet-order.ts'

export const CAPS2_NAMESPACE = 'urn:xmpp:caps'
export const HASHES_NAMESPACE = 'urn:xmpp:hashes:2'

const FS = '\x1c'
const GS = '\x1d'
const RS = '\x1e'
const US = '\x1f'
const SEPARATOR = new RegExp(`[${FS}-${US}]`)

/**
 * `<c/>` with one hash for each function.
 *
 * @throws {RangeError} when a form has rows or no hidden FORM_TYPE, or a text has a separator
 */
export function hashSet(info: Info, hashes: readonly Hash[] = [sha256]): Element {
  const input = hashInput(info)
  if (!input) throw new RangeError('info: ill-formed by XEP-0390 §4.1')
  const all = hashes.map((hash) =>
    element(HASHES_NAMESPACE, 'hash', { algo: hash.name }, hashed(input, hash)),
  )
  return element(CAPS2_NAMESPACE, 'c', {}, all)
}

/** §4.3 */
export function hashNode(algorithm: string, hash: string): string {
  return `${CAPS2_NAMESPACE}#${algorithm}.${hash}`
}

/** `undefined` where §4.1 aborts. The caller sees to it that there is nothing but identities, features and forms. */
export function hashInput(info: Info): Bytes | undefined {
  const forms = info.forms.map(formText)
  if (forms.includes(undefined) || hasSeparator(info, SEPARATOR)) return undefined
  const parts = [
    info.features.map(ended),
    info.identities.map((identity) => identityParts(identity).map(ended).join('') + RS),
    forms.map((form) => form ?? ''),
  ]
  return Uint8Array.from(utf8ToBytes(parts.map((part) => joined(part) + FS).join('')))
}

function formText(form: DataForm): string | undefined {
  if (form.tabular || formType(form) === undefined) return undefined
  if (form.fields.some(({ name }) => name === undefined)) return undefined
  const fields = form.fields.map(({ name = '', values }) => ended(name) + joined(values.map(ended)) + RS)
  return joined(fields) + GS
}

const ended = (part: string): string => part + US

const joined = (texts: readonly string[]): string => sortOctets(texts).join('')

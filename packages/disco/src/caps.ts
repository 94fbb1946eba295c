/**
 * XEP-0115 §5, the verification string:
 *
 *     S   = identity* feature* form*              all in the order of i;octet
 *     identity = category '/' type '/' lang '/' name '<'
 *     feature  = var '<'
 *     form     = FORM_TYPE '<' ( var '<' ( value '<' )* )*
 *     ver = base64(hash(S))
 *
 * Nothing in S says where one part ends and the next begins, so that different answers have the same S. `isShareable`
 * tells those that have not; what else is verified is believed of the entity that sent it, and of no other.
 */

import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type Element, element } from '@xmpp-e2e/xml'
import { type DataForm, FORM_TYPE, formType } from './data-form.ts'
import { type Hash, hashed, sha1 } from './hash.ts'
import { compareIdentities, hasSeparator, type Info, identityParts } from './info.ts'
import { compareOctets, sortOctets } from './octet-order.ts'

export const CAPS_NAMESPACE = 'http://jabber.org/protocol/caps'

/**
 * `<c/>` for a presence. `node` is a URI of the software, the same in all versions.
 *
 * @throws {RangeError} on information that is ill-formed (§5.4), or has a `<`, which implementations disagree about
 */
export function caps(info: Info, node: string, hash: Hash = sha1): Element {
  const input = verificationInput(info)
  if (!input) throw new RangeError('info: ill-formed by XEP-0115 §5.4')
  if (hasSeparator(info, /</)) throw new RangeError('info: has a `<`')
  return element(CAPS_NAMESPACE, 'c', { hash: hash.name, node, ver: hashed(input, hash) })
}

/** What the hash is of; `undefined` for information that is ill-formed. */
export function verificationInput(info: Info): Uint8Array | undefined {
  const S = verificationString(info)
  return S === undefined ? undefined : utf8ToBytes(S)
}

/** S, or `undefined` for information that is ill-formed (§5.4, 3.3 to 3.5). */
export function verificationString(info: Info): string | undefined {
  const identities = [...info.identities].sort(compareIdentities).map(identityParts)
  const features = sortOctets(info.features)
  const forms = hashedForms(info)
  if (!forms || hasRepetition(identities.map((key) => JSON.stringify(key))) || hasRepetition(features))
    return undefined
  const parts = [...identities.map((key) => key.join('/')), ...features, ...forms.flatMap(formParts)]
  return parts.map((part) => `${part}<`).join('')
}

type TypedForm = readonly [type: string, form: DataForm]

/** Forms without a hidden FORM_TYPE are ignored (§5.4, 3.6); `undefined` when one is ill-formed. */
function hashedForms(info: Info): readonly TypedForm[] | undefined {
  const typed: TypedForm[] = []
  for (const form of info.forms) {
    const fields = form.fields.filter(({ name }) => name === FORM_TYPE)
    if (new Set(fields.flatMap(({ values }) => values)).size > 1) return undefined
    // Being filled in is no excuse here.
    const type = formType({ ...form, type: 'result' })
    if (type !== undefined) typed.push([type, form])
  }
  return hasRepetition(typed.map(([type]) => type))
    ? undefined
    : typed.sort(([a], [b]) => compareOctets(a, b))
}

function formParts([type, form]: TypedForm): readonly string[] {
  const fields = form.fields
    .filter(({ name }) => name !== FORM_TYPE)
    .map(({ name = '', values }) => ({ name, values: sortOctets(values) }))
    // Of repeated names, the values decide: the order of the fields must not.
    .sort((a, b) => compareOctets(a.name, b.name) || compareOctets(a.values.join('<'), b.values.join('<')))
  return [type, ...fields.flatMap(({ name, values }) => [name, ...values])]
}

/**
 * Whether no other shareable information with other features has the same S. Each condition closes one ambiguity:
 *
 * 1. no `<` anywhere, so that S splits into its parts in one way only;
 * 2. identities with a category and a type, and no `/` before the name, so that what looks like an identity reads one
 *    way: the name is all that follows the third;
 * 3. a feature, and none empty;
 * 4. no feature with three slashes that looks like an identity (`a/b/c/d`): where identities end is certain;
 * 5. no field without value, no empty or repeated name: a form's parts cannot be fields in two ways that touch features;
 * 6. the first form sorts before the last feature: where features end is certain, since they rise and the step back
 *    is the first form;
 * 7. nothing of the information is outside the hash: rows, and forms without a hidden FORM_TYPE.
 *
 * What a form says may still be ambiguous; identities and features are not.
 */
export function isShareable(info: Info): boolean {
  const S = verificationString(info)
  const forms = hashedForms(info)
  const last = sortOctets(info.features).at(-1)
  const first = forms?.[0]?.[0]
  return (
    S !== undefined &&
    forms?.length === info.forms.length &&
    last !== undefined &&
    (first === undefined || compareOctets(first, last) < 0) &&
    !hasSeparator(info, /</) &&
    info.identities.every(isPlainIdentity) &&
    info.features.every((feature) => feature !== '' && !/^[^/]+\/[^/]+\/[^/]*\//.test(feature)) &&
    info.forms.every(isPlainForm)
  )
}

function isPlainIdentity({ category, type, lang = '' }: Info['identities'][number]): boolean {
  return category !== '' && type !== '' && ![category, type, lang].some((part) => part.includes('/'))
}

function isPlainForm({ fields, tabular }: DataForm): boolean {
  return (
    !tabular &&
    fields.every(({ name, values }) => name && values.length > 0) &&
    !hasRepetition(fields.map(({ name = '' }) => name))
  )
}

const hasRepetition = (texts: readonly string[]): boolean => new Set(texts).size < texts.length

/**
 * XEP-0030 §3, what an entity is and can do, with the forms of XEP-0128:
 *
 *     <query xmlns='http://jabber.org/protocol/disco#info' node='…'>
 *       <identity category='client' type='pc' name='Gabber' xml:lang='en'/>
 *       <feature var='http://jabber.org/protocol/disco#info'/>
 *       <x xmlns='jabber:x:data' type='result'>…</x>
 *     </query>
 */

import { attr, type Codec, codec, type Element, many, optional, ShapeError } from '@xmpp-e2e/xml'
import { type DataForm, dataForm, FORM_TYPE, type FormField, formType } from './data-form.ts'
import { DiscoError } from './error.ts'
import { compareOctets, sortOctets } from './octet-order.ts'

export const INFO_NAMESPACE = 'http://jabber.org/protocol/disco#info'

/** What kind of thing an entity is; categories and types are registered (XEP-0030 §10.2.1). */
export interface Identity {
  /** Such as `client`. */
  readonly category: string
  /** Such as `pc`. */
  readonly type: string
  readonly name?: string | undefined
  /** The language of `name`. */
  readonly lang?: string | undefined
}

export interface Info {
  readonly identities: readonly Identity[]
  readonly features: readonly string[]
  readonly forms: readonly DataForm[]
}

const identity: Codec<Identity> = codec(INFO_NAMESPACE, 'identity', {
  category: attr('category'),
  type: attr('type'),
  name: optional(attr('name')),
  lang: optional(attr('xml:lang')),
})

const query = codec(INFO_NAMESPACE, 'query', {
  node: optional(attr('node')),
  identities: many(identity),
  features: many(codec(INFO_NAMESPACE, 'feature', { name: attr('var') })),
  forms: many(dataForm),
})

/** `<query/>` as an answer, or without `info` as a question. */
export function infoQuery(info?: Info, node?: string): Element {
  const { identities = [], features = [], forms = [] } = info ?? {}
  return query.encode({
    ...(node !== undefined && { node }),
    identities,
    features: features.map((name) => ({ name })),
    forms,
  })
}

/**
 * Reads `<query/>`. With `lang`, the language around the element, identities without one of their own inherit it
 * (RFC 6120 §8.1.5); without, they stay without: XEP-0115 wants the latter, XEP-0390 the former.
 *
 * @throws {DiscoError} `malformed`
 */
export function readInfo(el: Element, lang?: string): Info {
  try {
    const { identities, features, forms } = query.decode(el)
    const info = { identities, features: features.map(({ name }) => name), forms }
    return lang === undefined ? info : inLanguage(info, lang)
  } catch (error) {
    if (error instanceof ShapeError)
      throw new DiscoError('malformed', 'not an answer to disco#info', { cause: error })
    throw error
  }
}

/** The same, read where this language is around it. */
export function inLanguage(info: Info, lang: string): Info {
  return { ...info, identities: info.identities.map((identity) => ({ lang, ...identity })) }
}

/**
 * The same in one order, without what no hash covers: types of fields and of forms, attributes that are empty. Two
 * entities with the same verified hash may differ in those, and none of them may speak for the other.
 */
export function canonicalInfo(info: Info): Info {
  return {
    identities: info.identities
      .map(({ category, type, name, lang }) => ({
        category,
        type,
        ...(name && { name }),
        ...(lang && { lang }),
      }))
      .sort(compareIdentities),
    features: sortOctets(info.features),
    forms: info.forms
      .map((form): DataForm => ({ type: 'result', fields: canonicalFields(form), tabular: form.tabular }))
      .sort((a, b) => compareOctets(formType(a) ?? '', formType(b) ?? '')),
  }
}

/** In the order in which both specifications write and compare them. */
export function identityParts({ category, type, lang = '', name = '' }: Identity): readonly string[] {
  return [category, type, lang, name]
}

/** By category, type, language and name, each a key of its own. */
export function compareIdentities(a: Identity, b: Identity): number {
  const others = identityParts(b)
  return identityParts(a).reduce((order, part, i) => order || compareOctets(part, others[i] ?? ''), 0)
}

/** Whether some text of it has a character that would be taken for a separator. */
export function hasSeparator({ identities, features, forms }: Info, separator: RegExp): boolean {
  const fields = forms.flatMap((form) => form.fields)
  const texts = [
    ...identities.flatMap(identityParts),
    ...features,
    ...fields.flatMap(({ name = '', values }) => [name, ...values]),
  ]
  return texts.some((written) => separator.test(written))
}

function canonicalFields(form: DataForm): readonly FormField[] {
  return form.fields
    .map(({ name = '', values }) => ({
      name,
      ...(name === FORM_TYPE && { type: 'hidden' }),
      values: sortOctets(values),
    }))
    .sort((a, b) => compareOctets(a.name, b.name))
}

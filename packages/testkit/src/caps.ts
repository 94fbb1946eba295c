/**
 * XEP-0115 §5: the hash of what an entity can do, written without regard to any client's code so that it can be its
 * oracle.
 *
 *     S   = (category '/' type '/' lang '/' name '<')*  (feature '<')*  (FORM_TYPE '<' (var '<' (value '<')*)*)*
 *     ver = base64(hash(UTF-8(S)))
 *
 * Each list is sorted by octets, identities part by part. Values are hashed as parsed: nothing is escaped again.
 */

import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { base64, child, children, type Element, elements, text } from '@xmpp-e2e/xml'
import { FORM, INFO } from './namespaces.ts'

// MD5 is among the names of IANA, and not here (XEP-0414).
const HASHES: Readonly<Record<string, (message: Uint8Array) => Uint8Array>> = {
  'sha-1': sha1,
  'sha-256': sha256,
  'sha-512': sha512,
}

/** Whether there is such a hash function here; names are those of IANA. */
export function isHash(name: string): boolean {
  return Object.hasOwn(HASHES, name)
}

/** The `ver` of a disco#info result; `undefined` when §5.4 calls it ill-formed, or the hash is not known. */
export function capsHash(info: Element, name: string): string | undefined {
  const hash = isHash(name) ? HASHES[name] : undefined
  const written = verificationString(info)
  return hash && written !== undefined
    ? base64().encode(Uint8Array.from(hash(utf8ToBytes(written))))
    : undefined
}

// `undefined` for the cases of §5.4, 3.3 to 3.5.
function verificationString(info: Element): string | undefined {
  const identities = children(info, 'identity').map(({ attrs }) => [
    attrs.category ?? '',
    attrs.type ?? '',
    attrs['xml:lang'] ?? '',
    attrs.name ?? '',
  ])
  const features = children(info, 'feature').map(({ attrs }) => [attrs.var ?? ''])
  const forms = children(info, 'x', FORM).map(formFactors)
  if (forms.includes('ill-formed')) return undefined
  const extensions = forms.filter((form): form is readonly string[] => typeof form === 'object')
  const parts = [sorted(identities), sorted(features), sorted(extensions)]
  const repeated = (list: readonly (readonly string[])[]) => new Set(list.map(String)).size < list.length
  if (repeated(identities) || repeated(features) || repeated(extensions.map(([type = '']) => [type])))
    return undefined
  const [i = [], f = [], x = []] = parts
  return [...i.map((factor) => factor.join('/')), ...f.flat(), ...x.flat()]
    .map((factor) => `${factor}<`)
    .join('')
}

/** §5.1 6: `FORM_TYPE`, then fields by name and their values; a form without a hidden type is ignored. */
function formFactors(form: Element): readonly string[] | 'ignored' | 'ill-formed' {
  const fields = children(form, 'field')
  const type = fields.find(({ attrs }) => attrs.var === 'FORM_TYPE')
  if (type?.attrs.type !== 'hidden') return 'ignored'
  const types = new Set(values(type))
  if (types.size > 1) return 'ill-formed'
  const others = fields.filter((field) => field !== type)
  return [
    ...types,
    ...sorted(
      others.map((field) => [field.attrs.var ?? '', ...sorted(values(field).map((v) => [v])).flat()]),
    ).flat(),
  ]
}

function values(field: Element): readonly string[] {
  return children(field, 'value').map(text)
}

/** By octets of UTF-8 (i;octet), part by part. */
function sorted(list: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...list].sort((a, b) => {
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const order = compare(a[i] ?? '', b[i] ?? '')
      if (order !== 0) return order
    }
    return 0
  })
}

// UTF-8 keeps the order of code points; UTF-16 does not.
function compare(a: string, b: string): number {
  const [x, y] = [[...a], [...b]]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0)
    if (order !== 0) return order
  }
  return x.length - y.length
}

/** The features of a disco#info result. Only to be believed when the hash fits. */
export function featuresOf(info: Element): ReadonlySet<string> {
  return new Set(
    elements(info).flatMap(({ name, ns, attrs }) =>
      name === 'feature' && ns === INFO && attrs.var ? [attrs.var] : [],
    ),
  )
}

/** The query in a result. */
export function infoOf(iq: Element): Element | undefined {
  return child(iq, 'query', INFO)
}

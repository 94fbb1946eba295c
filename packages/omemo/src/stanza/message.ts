/** What an encrypted message has around `<encrypted/>`: XEP-0380, XEP-0334 and the fallback body. */
import { children, type Element, element, encryption, encryptionName, hint } from '@xmpp-e2e/xml'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../protocol.ts'

/** The preferred version first: only its payload is safe from other recipients. */
const PREFERENCE: readonly Namespace[] = [OMEMO_2, AXOLOTL]

/** Who looks at one hint only looks at the first, and knows the older version. */
const OLDER_FIRST: readonly Namespace[] = [AXOLOTL, OMEMO_2]

/** The `<encrypted/>` children of a stanza, those of omemo:2 first. A message may have one of each version. */
export function encryptedElements(
  stanza: Element,
): readonly { readonly namespace: Namespace; readonly element: Element }[] {
  return PREFERENCE.flatMap((namespace) =>
    children(stanza, 'encrypted', namespace).map((element) => ({ namespace, element })),
  )
}

/**
 * The children of an encrypted message: the `<encrypted/>` elements, an encryption hint for each, `<store/>` so that
 * archives keep it (XEP-0420 §7 and §10), and the fallback body, if there is a 0.3 element: §7 forbids it otherwise.
 */
export function messageChildren(encrypted: readonly Element[], fallbackBody?: string): readonly Element[] {
  const namespaces = new Set(encrypted.map(({ ns }) => ns))
  const hints = OLDER_FIRST.filter((namespace) => namespaces.has(namespace)).map(encryptionHint)
  const body =
    fallbackBody !== undefined && namespaces.has(AXOLOTL)
      ? [element('jabber:client', 'body', {}, fallbackBody)]
      : []
  return [...encrypted, ...hints, hint('store'), ...body]
}

// With the name, although XEP-0380 §3.2 lists these namespaces: Gajim shows "encrypted with None" without.
function encryptionHint(namespace: Namespace): Element {
  return encryption.encode({ namespace, name: encryptionName(namespace) })
}

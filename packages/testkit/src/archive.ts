/** XEP-0313: what an archive keeps. */

import { child, type Element, EME_NAMESPACE, element, elements, hintsOf } from '@xmpp-e2e/xml'
import { SID } from './namespaces.ts'
import type { Quirks } from './quirks.ts'
import { replaceChildren } from './stanza.ts'

export interface Archived {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The other side, bare: what the filter `with` compares. */
  readonly with: string
  readonly message: Element
}

/** Oldest first. */
export type Archive = Archived[]

/** Whether a message is kept (§6.1.1 and XEP-0334). */
export function isArchived(message: Element, quirks: Quirks): boolean {
  const { type = 'normal' } = message.attrs
  if (type === 'error' || type === 'headline') return false
  const hints = hintsOf(message)
  if (hints.has('no-store') || hints.has('no-permanent-store')) return false
  if (hints.has('store') || child(message, 'body')) return true
  return (
    quirks.archivesWithoutBody === 'store-and-eme' && elements(message).some(({ ns }) => ns === EME_NAMESPACE)
  )
}

/** XEP-0359 §3: marks a message, and removes what pretends to be such a mark. */
export function withStanzaId(message: Element, by: string, id: string | undefined): Element {
  const honest = message.children.filter(
    (node) =>
      typeof node === 'string' || node.ns !== SID || node.name !== 'stanza-id' || node.attrs.by !== by,
  )
  if (id === undefined)
    return honest.length === message.children.length ? message : replaceChildren(message, honest)
  return replaceChildren(message, [...honest, element(SID, 'stanza-id', { by, id })])
}

/**
 * XEP-0059, forwards through a list:
 *
 *     <set xmlns='http://jabber.org/protocol/rsm'> <max>100</max> <after>…</after> </set>                asked
 *     <set xmlns='http://jabber.org/protocol/rsm'> <first index='0'>…</first> <last>…</last> <count>800</count> </set>
 */

import { child, children, type Element, ns, text } from '@xmpp-e2e/xml'

const RSM_NAMESPACE = 'http://jabber.org/protocol/rsm'

const rsm = ns(RSM_NAMESPACE)

export function pageRequest(max: number, after: string | undefined): Element {
  return rsm('set', {}, rsm('max', {}, String(max)), after !== undefined && rsm('after', {}, after))
}

/** After which item to ask for the next page; `undefined` at the end, or where the list is not paged. */
export function nextPage(query: Element): string | undefined {
  const set = child(query, 'set', RSM_NAMESPACE)
  const last = set && child(set, 'last')
  if (!set || !last) return undefined
  // Services need not say how many there are; those that do save a question.
  const [index, count] = [child(set, 'first')?.attrs.index, child(set, 'count')]
  const read = Number(index) + children(query, 'item').length
  return count && read >= Number(text(count)) ? undefined : text(last)
}

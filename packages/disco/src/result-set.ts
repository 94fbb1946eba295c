/**
 * XEP-0059, forwards through a list:
 *
 *     <set xmlns='http://jabber.org/protocol/rsm'> <max>100</max> <after>…</after> </set>                asked
 *     <set xmlns='http://jabber.org/protocol/rsm'> <first index='0'>…</first> <last>…</last> <count>800</count> </set>
 */

import { child, codec, content, type Element, inside, optional, text, uint } from '@xmpp-e2e/xml'

const RSM_NAMESPACE = 'http://jabber.org/protocol/rsm'

const request = codec(RSM_NAMESPACE, 'set', {
  max: inside('max', content(uint(2 ** 31 - 1))),
  after: optional(inside('after', content())),
})

export function pageRequest(max: number, after: string | undefined): Element {
  return request.encode({ max, ...(after !== undefined && { after }) })
}

/** After which item to ask for the next page; `undefined` at the end, or where the list is not paged. */
export function nextPage(query: Element): string | undefined {
  const set = child(query, 'set', RSM_NAMESPACE)
  const last = set && child(set, 'last')
  if (!set || !last) return undefined
  // Services need not say how many there are; those that do save a question.
  const [index, count] = [child(set, 'first')?.attrs.index, child(set, 'count')]
  const here = Number(index) + pageSize(query)
  return count && index !== undefined && here >= Number(text(count)) ? undefined : text(last)
}

const pageSize = (query: Element): number =>
  query.children.filter((node) => typeof node === 'object' && node.ns === query.ns).length

/** XEP-0059: pages of a list whose members have ids. */

import { child, type Element, element, text } from '@xmpp-e2e/xml'
import { RSM } from './namespaces.ts'
import type { AnyRequest } from './request.ts'
import { refusal } from './stanza.ts'

/** Members of a page unless the request says how many. Arbitrary, as XEP-0059 leaves it to the service. */
export const PAGE_SIZE = 50
/**
 * Members of a page at most, whatever is asked for. The number is arbitrary; servers have such a limit (XEP-0313
 * §4.3.1), and clients must cope with it.
 */
export const MAX_PAGE_SIZE = 250

export interface Page<T> {
  readonly members: readonly T[]
  /** Whether there is nothing further in the direction of paging. */
  readonly complete: boolean
  readonly set: Element
}

/**
 * The page that `<set/>` in a request asks for; the first one without it.
 *
 * @throws {StanzaError} `bad-request` on a bad number; `item-not-found` when the member that the page should be next to
 * is not there (§2.2)
 */
export function page<T extends { readonly id: string }>(
  all: readonly T[],
  { iq, payload }: AnyRequest,
): Page<T> {
  const request = child(payload, 'set', RSM)
  const value = (name: string): string | undefined => {
    const found = request && child(request, name)
    return found && text(found)
  }
  const [max, after, before, index] = [value('max'), value('after'), value('before'), value('index')]
  for (const number of [max, index])
    if (number !== undefined && !/^[0-9]{1,9}$/.test(number)) throw refusal(iq, 'bad-request')
  const size = Math.min(max === undefined ? PAGE_SIZE : Number(max), MAX_PAGE_SIZE)
  let start = index === undefined ? 0 : Number(index)
  let end = all.length
  if (after !== undefined) {
    start = all.findIndex(({ id }) => id === after) + 1
    if (start === 0) throw refusal(iq, 'item-not-found')
  }
  // An empty one asks for the last page (§2.5).
  if (before !== undefined && before !== '') {
    end = all.findIndex(({ id }) => id === before)
    if (end < 0) throw refusal(iq, 'item-not-found')
  }
  const backwards = before !== undefined
  const from = backwards ? Math.max(start, end - size) : start
  const to = backwards ? end : Math.min(end, start + size)
  const members = all.slice(from, Math.max(from, to))
  const complete = backwards ? from <= start : to >= end
  const [first, last] = [members[0], members.at(-1)]
  const set = element(
    RSM,
    'set',
    {},
    first && element(RSM, 'first', { index: from }, first.id),
    last && element(RSM, 'last', {}, last.id),
    element(RSM, 'count', {}, String(all.length)),
  )
  return { members, complete, set }
}

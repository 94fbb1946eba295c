/** XEP-0059: pages of a list whose members have ids. */

import { child, type Element, element, text } from '@xmpp-e2e/xml'
import { RSM } from './namespaces.ts'

/** Members of a page, unless less are asked for. */
export const PAGE = 50
/** Members of a page at most, whatever is asked for; servers have such a limit, and clients must cope with it. */
export const MAX_PAGE = 250

export interface Page<T> {
  readonly members: readonly T[]
  /** Whether there is nothing further in the direction of paging. */
  readonly complete: boolean
  readonly set: Element
}

/** `not-found`: the member that the page should be next to is not there (§2.2); `malformed`: a bad number. */
export type PageProblem = 'not-found' | 'malformed'

/** The page that `<set/>` in a request asks for; the first one without it. */
export function page<T extends { readonly id: string }>(
  all: readonly T[],
  query: Element,
): Page<T> | PageProblem {
  const request = child(query, 'set', RSM)
  const value = (name: string): string | undefined => {
    const found = request && child(request, name)
    return found && text(found)
  }
  const [max, after, before, index] = [value('max'), value('after'), value('before'), value('index')]
  for (const number of [max, index])
    if (number !== undefined && !/^[0-9]{1,9}$/.test(number)) return 'malformed'
  const size = Math.min(max === undefined ? PAGE : Number(max), MAX_PAGE)
  let start = index === undefined ? 0 : Number(index)
  let end = all.length
  if (after !== undefined) {
    start = all.findIndex(({ id }) => id === after) + 1
    if (start === 0) return 'not-found'
  }
  // An empty one asks for the last page (§2.5).
  if (before !== undefined && before !== '') {
    end = all.findIndex(({ id }) => id === before)
    if (end < 0) return 'not-found'
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

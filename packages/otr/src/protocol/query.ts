/**
 * Two ways to say which versions one speaks, neither of them authenticated (OTR Query Messages).
 *
 *     ?OTRv23?      a message of its own; text for who has no OTR may follow. A `?` after `?OTR` offers version 1.
 *     20 09 … 20    within an ordinary text: 16 characters of space and tab, then 8 for each version
 */
import type { Version } from './header.ts'

/** Version numbers, ascending; whoever answers picks the highest that both speak. 1 may be among them. */
export type Offered = readonly number[]

const TAG = ' \t  \t\t\t\t \t \t \t  '
const VERSION_TAGS = { 1: ' \t \t  \t ', 2: '  \t\t  \t ', 3: '  \t\t  \t\t' } as const

/** @throws RangeError for no version */
function ascending(versions: readonly Version[]): Version[] {
  if (versions.length === 0) throw new RangeError('versions: expected at least one')
  return [...new Set(versions)].sort()
}

/**
 * `text` follows after a space. XEP-0364's example has another `?` before the `v`, which offers version 1: that is
 * never written.
 */
export function buildQuery(versions: readonly Version[], text = ''): string {
  return `?OTRv${ascending(versions).join('')}?${text && ` ${text}`}`
}

/**
 * What a text offers that begins with a query, or `undefined` for any other. Characters that are no version are
 * ignored, so that `?OTRv?` and `?OTRvx?` offer nothing.
 */
export function parseQuery(text: string): Offered | undefined {
  const found = /^\s*\?OTR(\?)?(?:v([^?\s]{0,32})\?)?/.exec(text)
  if (found === null) return undefined
  const [, first, others] = found
  if (first === undefined && others === undefined) return undefined
  const digits = [...(first ? '1' : ''), ...(others ?? '')].filter((character) => /[1-9]/.test(character))
  return [...new Set(digits.map(Number))].sort()
}

/** White space to append to a text. Some clients trim what they receive, which loses it: it is no promise. */
export function buildWhitespaceTag(versions: readonly Version[]): string {
  return (
    TAG +
    ascending(versions)
      .map((version) => VERSION_TAGS[version])
      .join('')
  )
}

/**
 * What the first tag in a text offers, and the text without it; `undefined` when there is none. All groups of 8 after
 * the tag belong to it, known or not.
 */
export function findWhitespaceTag(
  text: string,
): { readonly versions: Offered; readonly text: string } | undefined {
  const start = text.indexOf(TAG)
  if (start < 0) return undefined
  // By hand: patterns run out of stack on some millions of groups.
  const groups = new Set<string>()
  let end = start + TAG.length
  for (; /^[ \t]{8}$/.test(text.slice(end, end + 8)); end += 8) groups.add(text.slice(end, end + 8))
  const versions = Object.entries(VERSION_TAGS).filter(([, tag]) => groups.has(tag))
  return {
    versions: versions.map(([version]) => Number(version)),
    text: text.slice(0, start) + text.slice(end),
  }
}

/** Which of OTR's forms a text has, and the one that is only text: `?OTR Error:`. */
import { parseFragment } from './fragment.ts'
import { findWhitespaceTag, parseQuery } from './query.ts'

/** `plain` is every text that is not OTR's; `unknown` begins like a fragment and is none, and is nothing to show. */
export type TextKind = 'query' | 'encoded' | 'fragment' | 'error' | 'tagged' | 'plain' | 'unknown'

const ERROR_START = '?OTR Error:'

/**
 * What is not plain begins with `?OTR`, white space aside, or has a whitespace tag. libotr finds `?OTR` anywhere; in
 * XMPP a message has one body, and who quotes OTR speaks about it.
 */
export function textKind(text: string): TextKind {
  const start = text.trimStart()
  if (!start.startsWith('?OTR')) return findWhitespaceTag(text) === undefined ? 'plain' : 'tagged'
  if (start.startsWith('?OTR:')) return 'encoded'
  if (start.startsWith('?OTR|') || start.startsWith('?OTR,'))
    return parseFragment(start) === undefined ? 'unknown' : 'fragment'
  if (start.startsWith(ERROR_START)) return 'error'
  return parseQuery(start) === undefined ? 'plain' : 'query'
}

/** Not authenticated, and never answered: two sides that answer errors by errors do not stop. */
export function buildError(text: string): string {
  return `${ERROR_START} ${text}`
}

/** The text of an error, or `undefined`. Anybody on the way may have written it. */
export function parseError(text: string): string | undefined {
  const start = text.trimStart()
  return start.startsWith(ERROR_START) ? start.slice(ERROR_START.length).trim() : undefined
}

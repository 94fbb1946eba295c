/**
 * The keys of one owner at rest: a line each, as `encodeKey` of `@xmpp-e2e/trust` writes it, in the order in which they were
 * met.
 */
import { decodeKey, encodeKey, type Key, TrustError } from '@xmpp-e2e/trust'
import type { Bytes } from './bytes.ts'
import { OxError } from './error.ts'

/** Keys of one account that are remembered: an account announces a few. */
export const MAX_REMEMBERED_KEYS = 256

const LINE_FEED = 0x0a

/** @internal Of too many, those that nobody has decided about go first, and of these the ones met first. */
export function encodeKeys(keys: readonly Key[]): Bytes {
  const excess = new Set(
    keys.filter(({ by }) => by === undefined).slice(0, Math.max(0, keys.length - MAX_REMEMBERED_KEYS)),
  )
  const lines = keys.filter((key) => !excess.has(key)).map(encodeKey)
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length + 1, 0))
  let at = 0
  for (const line of lines) {
    bytes.set(line, at)
    at += line.length
    bytes[at++] = LINE_FEED
  }
  return bytes
}

/** @internal Of a record that may be absent. @throws OxError `state-malformed` */
export function decodeKeys(bytes: Uint8Array | undefined): readonly Key[] {
  const keys: Key[] = []
  for (let start = 0; bytes !== undefined && start < bytes.length; ) {
    const end = bytes.indexOf(LINE_FEED, start)
    if (end < 0) throw new OxError('state-malformed', 'keys: the last line is cut off')
    keys.push(decodeLine(bytes.subarray(start, end)))
    start = end + 1
  }
  return keys
}

function decodeLine(line: Uint8Array): Key {
  try {
    return decodeKey(line)
  } catch (error) {
    if (error instanceof TrustError)
      throw new OxError('state-malformed', 'keys: a line that is none', { cause: error })
    throw error
  }
}

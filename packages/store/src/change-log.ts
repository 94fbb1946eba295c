/** Which key changed at which commit, as far back as is remembered: what tokens are checked against in one process. */

import { decodeToken, encodeToken, type Token } from './token.ts'

/**
 * How many changes of keys are remembered; a token older than all of them is refused. Four commits of a thousand
 * sessions fit between a read and its commit, and checking a list walks through at most this many. With keys of a
 * hundred bytes they take 400 kB.
 */
export const LOG_CHANGES = 4096

/** @internal */
export interface ChangeLog {
  /** The number of the last commit. */
  revision(): number
  /** A token as of the last commit. */
  token(kind: Token['kind'], subject: string): string
  isCurrent(token: string): boolean
  /** Counts one more commit, which changed these keys. */
  record(keys: readonly string[]): void
}

/** @internal A log of what comes after `revision`; all that came before is forgotten. */
export function changeLog(storeId: string, revision: number): ChangeLog {
  let last = revision
  let forgotten = revision
  // The last commit that changed a key; oldest first, because a changed key is moved to the end.
  const changes = new Map<string, number>()
  return {
    revision: () => last,
    token: (kind, subject) => encodeToken({ storeId, revision: last, kind, subject }),
    isCurrent(text) {
      const token = decodeToken(text)
      if (token?.storeId !== storeId || token.revision < forgotten || token.revision > last) return false
      return isUntouched(token, changes)
    },
    record(keys) {
      last++
      for (const key of keys) {
        changes.delete(key)
        changes.set(key, last)
      }
      for (const [key, changed] of changes) {
        if (changes.size <= LOG_CHANGES) return
        changes.delete(key)
        forgotten = changed
      }
    },
  }
}

/** @internal Whether nothing that the token stands for was changed after it, by the last change of each changed key. */
export function isUntouched(token: Token, changes: ReadonlyMap<string, number>): boolean {
  const { revision, kind, subject } = token
  if (kind === 'key') return (changes.get(subject) ?? 0) <= revision
  for (const [key, changed] of changes) if (changed > revision && key.startsWith(subject)) return false
  return true
}

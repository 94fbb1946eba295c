/** Prefixes as ranges, for databases that order keys by their bytes of UTF-8, which is the order of code points. */

import { MAX_KEY_BYTES } from './store.ts'

const LAST = 0x10ffff

/** Above every key: the highest character, of four bytes, once more than there is room for. */
const END = String.fromCodePoint(LAST).repeat(Math.floor(MAX_KEY_BYTES / 4) + 1)

/** @internal The lowest text above everything that starts with `prefix`: `prefix` ≤ key < `afterPrefix(prefix)`. */
export function afterPrefix(prefix: string): string {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!)
  while (points.at(-1) === LAST) points.pop()
  const last = points.pop()
  if (last === undefined) return END
  // Surrogates are no characters.
  const next = last === 0xd7ff ? 0xe000 : last + 1
  // Not spread into one call: arguments are limited.
  return [...points, next].map((point) => String.fromCodePoint(point)).join('')
}

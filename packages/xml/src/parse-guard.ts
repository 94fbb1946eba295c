/**
 * Looks at markup before saxes does. saxes reports a comment, a processing instruction, a document type or
 * an entity reference only when it is complete, and until then collects it without bound; this finds what
 * XMPP forbids (RFC 6120 §11.1) at its first two characters, across any division into chunks.
 */

import type { XmlCondition } from './error.ts'

const CDATA = '<![CDATA['

/** `&#x10FFFF;` has ten characters. XML allows any number of leading zeros; the W3C suite has one of 22. */
const REFERENCE_LIMIT = 32

export interface Finding {
  /** In the piece of input given, of what saxes must not get; negative when it has got the beginning before. */
  readonly index: number
  readonly condition: XmlCondition
  readonly message: string
}

/** Give it all input in order; `at` counts the code units given so far. */
export class Guard {
  #at = 0
  #inCdata = false
  // A beginning that may still become a mark: less than `REFERENCE_LIMIT`.
  #held = ''

  find(piece: string): Finding | undefined {
    const shift = this.#held.length
    const input = this.#held + piece
    const start = this.#at - shift
    this.#at += piece.length
    this.#held = ''
    const mark = /<[!?]|&/g
    while (true) {
      if (this.#inCdata) {
        const end = input.indexOf(']]>', mark.lastIndex)
        if (end < 0) {
          this.#held = input.slice(Math.max(mark.lastIndex, input.length - 2))
          return undefined
        }
        mark.lastIndex = end + 3
        this.#inCdata = false
      }
      const found = mark.exec(input)
      if (!found) {
        if (input.endsWith('<')) this.#held = '<'
        return undefined
      }
      const { index } = found
      const ahead = input.slice(index, index + REFERENCE_LIMIT)
      if (found[0] === '&') {
        if (ahead.includes(';')) continue
        if (ahead.length === REFERENCE_LIMIT)
          return { index: index - shift, condition: 'not-well-formed', message: 'no such reference' }
      } else if (ahead.startsWith(CDATA)) {
        this.#inCdata = true
        mark.lastIndex = index + CDATA.length
        continue
      } else if (start + index === 0 && found[0] === '<?') {
        // The XML declaration, or an instruction that saxes reports.
        continue
      } else if (!CDATA.startsWith(ahead)) {
        // saxes may get the `<`: it knows whether any markup may begin here.
        return { index: index + 1 - shift, condition: 'restricted-xml', message: RESTRICTED }
      }
      this.#held = input.slice(index)
      return undefined
    }
  }
}

/** Shared with the handlers behind the guard. */
export const RESTRICTED = 'a comment, processing instruction or document type'

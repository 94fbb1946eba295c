/**
 * Looks at markup before saxes does. saxes reports a comment, a processing instruction, a document type or
 * an entity reference only when it is complete, and until then collects it without bound; this finds what
 * XMPP forbids (RFC 6120 §11.1) at its first two characters, across any division into chunks.
 */

const CDATA = '<![CDATA['

/** `&#x10FFFF;` has ten characters. XML allows any number of leading zeros; the W3C suite has one of 22. */
const REFERENCE_LIMIT = 32

/** What ends a reference, or shows that it is none: saxes would go on to the next `;`. */
const NOT_IN_REFERENCE = /(?!^)[;&<>"'\s]/

export interface Finding {
  readonly restricted: boolean
  /** Where saxes must stop, in the piece given; negative when it has got the beginning before. */
  readonly index: number
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
    const mark = /<(?:[!?]|$)|&/g
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
      if (!found) return undefined
      const { index } = found
      const ahead = input.slice(index, index + REFERENCE_LIMIT)
      if (found[0] === '&') {
        const after = ahead.search(NOT_IN_REFERENCE)
        if (ahead[after] === ';') continue
        if (after > 0 || ahead.length === REFERENCE_LIMIT) return { restricted: false, index: index - shift }
      } else if (ahead.startsWith(CDATA)) {
        this.#inCdata = true
        mark.lastIndex = index + CDATA.length
        continue
      } else if (start + index === 0 && found[0] === '<?') {
        // The XML declaration, or an instruction that saxes reports.
        continue
      } else if (!CDATA.startsWith(ahead)) {
        // saxes may get the `<`: it knows whether any markup may begin here.
        return { restricted: true, index: index + 1 - shift }
      }
      this.#held = input.slice(index)
      return undefined
    }
  }
}

/** Where the tags are in what may be HTML, and may be what somebody typed. */

/** @internal Behind a `<`. Anything else behind one is what somebody typed: `<3`. */
export const TAG = /^(\/?)([a-zA-Z][a-zA-Z\d]{0,15}|!)/

/** @internal A tag, without its brackets, and the text behind it, still escaped. */
export interface Piece {
  readonly tag: string
  readonly text: string
}

/**
 * @internal Cuts before each `<` and behind the first `>` after it. Each character is in one piece, and looked at a
 * fixed number of times; quotes do not count, since a quote that is never closed would have to be looked for again and
 * again.
 */
export function pieces(html: string): readonly Piece[] {
  const [first = '', ...others] = html.split('<')
  return [
    { tag: '', text: first },
    ...others.map((part) => {
      const end = part.indexOf('>')
      return end >= 0 && TAG.test(part)
        ? { tag: part.slice(0, end), text: part.slice(end + 1) }
        : { tag: '', text: `<${part}` }
    }),
  ]
}

/**
 * The collation `i;octet` (RFC 4790 §9.3) of text in UTF-8. JavaScript compares UTF-16, where characters above U+FFFF
 * begin with a unit from D800 to DFFF and so come before U+E000 to U+FFFF. Everything else is in the same order.
 */

/** Negative, zero or positive, for `sort`. */
export function compareOctets(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

// Surrogates go above all other units.
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)

export function sortOctets(texts: Iterable<string>): readonly string[] {
  return [...texts].sort(compareOctets)
}

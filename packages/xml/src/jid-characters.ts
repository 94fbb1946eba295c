/**
 * The string classes of PRECIS (RFC 8264 §8, RFC 8265) and of IDNA (RFC 5892) as far as JIDs need them, from the
 * Unicode properties that regular expressions and `normalize` offer. No tables: the engine's Unicode is the one used.
 *
 * Deviations:
 * - Joining_Type is not at hand. A zero-width non-joiner without a virama before it is accepted between Arabic or
 *   Syriac letters, also after one that does not join (RFC 5892 A.1), and between those of no other script.
 * - Bidi_Class is not at hand. The blocks whose default class is R or AL stand for those classes, other letters and
 *   spacing marks for L, non-spacing marks for NSM; everything else is taken as neutral (RFC 5893 §2).
 * - Backward compatibility (RFC 8264 §9.7) is empty there and here. Characters that are not assigned in the
 *   engine's Unicode are refused.
 */

// RFC 8264 §9.9 (I), §9.13 (M), §9.12 (L) and the rest of "else disallowed" (§8); join controls are judged by context.
const DISALLOWED =
  /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]|(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
// §9.1 (A) and the exceptions of §9.6 (F); ASCII7 (K) is left to who asks.
const LETTER_OR_DIGIT =
  /^[\0-\x7f\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}\u00b7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u3007\u30fb\u200c\u200d]*$/u
// RFC 5892 A.3 to A.6. A.7 (katakana middle dot) and A.8, A.9 (two kinds of digits) need the whole string.
const OUT_OF_CONTEXT =
  /(?<!l)\u00b7|\u00b7(?!l)|\u0375(?!\p{Script=Greek})|(?<!\p{Script=Hebrew})[\u05f3\u05f4]/u
const CURSIVE = '[\\p{Script=Arabic}\\p{Script=Syriac}]'
// The character comes first: engines would look behind at every other one too, which costs the square.
const JOINING = new RegExp(`\\u200c(?<=${CURSIVE}\\p{Mn}*\\u200c)(?=\\p{Mn}*${CURSIVE})`, 'gu')

/** FreeformClass, RFC 8264 §4.3, of a string in NFC. */
export function isFreeform(text: string): boolean {
  return !DISALLOWED.test(text) && isInContext(text)
}

/** IdentifierClass, RFC 8264 §4.2; of ASCII, everything printable but the space. */
export function isIdentifier(text: string): boolean {
  if (!isFreeform(text) || !LETTER_OR_DIGIT.test(text) || text.includes(' ')) return false
  // §9.17 HasCompat, character by character: it also refuses what only NFC would replace.
  for (const char of text) if (char > '\x7f' && char.normalize('NFKC') !== char) return false
  return true
}

/** RFC 5892 appendix A, CONTEXTJ and CONTEXTO. */
function isInContext(text: string): boolean {
  if (OUT_OF_CONTEXT.test(text)) return false
  if (text.includes('\u30fb') && !/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(text))
    return false
  if (/[\u0660-\u0669]/.test(text) && /[\u06f0-\u06f9]/.test(text)) return false
  let before = ''
  for (const char of text.replace(JOINING, '')) {
    if ((char === '\u200c' || char === '\u200d') && !isVirama(before)) return false
    before = char
  }
  return true
}

// Canonical_Combining_Class 9. Normalization sorts marks by class: a virama goes before a Hebrew point of
// class 10, and a voicing mark of class 8 goes before a virama.
function isVirama(char: string): boolean {
  return (
    `\u05b0${char}`.normalize('NFD') === `${char}\u05b0` &&
    `${char}\u3099`.normalize('NFD') === `\u3099${char}`
  )
}

/** The width mapping of RFC 8265 §3.3.1: decomposition of fullwidth and halfwidth characters, and only of them. */
export function mapWidth(text: string): string {
  return text.replace(/[\u3000\uff01-\uffee]/g, (char) => char.normalize('NFKC'))
}

const RIGHT_TO_LEFT =
  /(?![\p{Mn}\u06f0-\u06f9])[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u
// AN and EN (with the extended Arabic digits) of RFC 5893.
const ARABIC_DIGIT = /[\u0660-\u0669\u066b\u066c\u06dd]/
const LAST_OF_RTL = /[0-9\u0660-\u0669\u06f0-\u06f9]\p{Mn}*$/u

/** Whether any of RFC 5893 applies to this text. */
export function isRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text)
}

/** The Bidi rule, RFC 5893 §2, for text of either direction. */
export function obeysBidiRule(text: string): boolean {
  const strong = (char = ''): 'R' | 'L' | undefined =>
    ARABIC_DIGIT.test(char)
      ? undefined
      : RIGHT_TO_LEFT.test(char)
        ? 'R'
        : /[\p{L}\p{Mc}]/u.test(char)
          ? 'L'
          : undefined
  const chars = Array.from(text)
  const last = strong(chars.filter((char) => !/\p{Mn}/u.test(char)).at(-1))
  switch (strong(chars[0])) {
    case 'R':
      return (
        !chars.some((char) => strong(char) === 'L') &&
        (last === 'R' || LAST_OF_RTL.test(text)) &&
        !(ARABIC_DIGIT.test(text) && /[0-9\u06f0-\u06f9]/.test(text))
      )
    case 'L':
      return (
        !chars.some((char) => strong(char) === 'R' || ARABIC_DIGIT.test(char)) &&
        (last === 'L' || /[0-9\u06f0-\u06f9]\p{Mn}*$/u.test(text))
      )
    case undefined:
      return false
  }
}

/**
 * The S-expressions in which libgcrypt writes keys, in their readable form.
 *
 *     (name "with \"quotes\"") (p #00C0FFEE#) (e |AQAB|) (token)
 *
 * An atom is bytes. In quotes there may be escapes of C, and everything else as it is, UTF-8 and parentheses too.
 */
import { bytesToUtf8 } from '@noble/ciphers/utils.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { base64, hex } from '@xmpp-e2e/xml'
import { OtrError } from '../error.ts'
import type { Bytes } from '../wire/bytes.ts'

export type Expression = Bytes | readonly Expression[]

/** The file of a key has five; more is no key, and would cost stack where it is walked through. */
const MAX_DEPTH = 16

const PART =
  /\s*(?:(?<open>\()|(?<close>\))|#(?<hex>[0-9A-Fa-f\s]*)#|\|(?<base64>[A-Za-z0-9+/=\s]*)\||"(?<quoted>(?:[^"\\]|\\[\s\S])*)"|(?<token>[^\s()"#|]+))/y

/**
 * The one expression that a text is.
 *
 * @throws OtrError `file-malformed`
 */
export function parseExpression(text: string): Expression {
  const open: Expression[][] = [[]]
  const pattern = new RegExp(PART)
  const end = text.trimEnd().length
  while (pattern.lastIndex < end) {
    const found = pattern.exec(text)?.groups
    const list = open.at(-1)
    if (found === undefined || list === undefined) throw malformed('neither a list nor an atom')
    if (found.open !== undefined) {
      if (open.length > MAX_DEPTH) throw malformed('too deep')
      const inner: Expression[] = []
      list.push(inner)
      open.push(inner)
    } else if (found.close !== undefined) {
      open.pop()
    } else {
      list.push(atom(found))
    }
  }
  const [result, ...more] = open[0] ?? []
  if (open.length !== 1 || result === undefined || more.length > 0) throw malformed('not one whole list')
  return result
}

function atom(found: Readonly<Record<string, string | undefined>>): Bytes {
  if (found.quoted !== undefined) return unescaped(found.quoted)
  if (found.token !== undefined) return utf8ToBytes(found.token)
  const bytes =
    found.hex !== undefined ? hex.decode(found.hex.replace(/\s/g, '')) : base64().decode(found.base64 ?? '')
  if (bytes === undefined) throw malformed('an atom that is no bytes')
  return bytes
}

const ESCAPES: Readonly<Record<string, number>> = { b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 }

function unescaped(quoted: string): Bytes {
  const bytes: number[] = []
  const parts = quoted.matchAll(/\\(?:x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|(\r\n|[\s\S]))|[^\\]+/g)
  for (const [whole, hexadecimal, octal, other] of parts) {
    if (hexadecimal !== undefined) bytes.push(Number.parseInt(hexadecimal, 16))
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8))
    else if (other === undefined) for (const byte of utf8ToBytes(whole)) bytes.push(byte)
    else if (/["'\\]/.test(other)) bytes.push(other.charCodeAt(0))
    else if (Object.hasOwn(ESCAPES, other)) bytes.push(ESCAPES[other] as number)
    // A line that is continued on the next.
    else if (!/^[\r\n]/.test(other)) throw malformed('an escape that does not exist')
  }
  return Uint8Array.from(bytes)
}

function malformed(what: string): OtrError {
  return new OtrError('file-malformed', `S-expression: ${what}`)
}

/** The rest of the first list in `expression` that begins with `name`, or `undefined`. */
export function listNamed(
  expression: readonly Expression[],
  name: string,
): readonly Expression[] | undefined {
  return listsNamed(expression, name)[0]
}

/** The rest of every list in `expression` that begins with `name`. */
export function listsNamed(
  expression: readonly Expression[],
  name: string,
): readonly (readonly Expression[])[] {
  return expression.flatMap((item) => {
    if (item instanceof Uint8Array) return []
    const [first, ...rest] = item
    return first instanceof Uint8Array && bytesToUtf8(first) === name ? [rest] : []
  })
}

/** As libgcrypt writes it: without quotes if it can be. */
export function formatText(text: string): string {
  if (/^[A-Za-z][A-Za-z0-9._-]*$/.test(text)) return text
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped
  const escaped = text.replace(/[\\"]|[\x00-\x1f\x7f]/g, (character) =>
    /[\\"]/.test(character)
      ? `\\${character}`
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `"${escaped}"`
}

/** A number ≥ 0 in hexadecimal, with a zero byte in front where it would look negative. */
export function formatNumber(bytes: Uint8Array): string {
  const sign = (bytes[0] ?? 0x80) >= 0x80 ? '00' : ''
  return `#${sign}${hex.encode(Uint8Array.from(bytes)).toUpperCase()}#`
}
